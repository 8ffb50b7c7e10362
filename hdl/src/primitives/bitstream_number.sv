module bitstream_number (
    output logic [63:0] number
);
`ifdef LPU_BITSTREAM
    assign number = `LPU_BITSTREAM;
`else
    assign number = 64'h0;
`endif
endmodule
