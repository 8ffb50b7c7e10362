module flash_clock (
    input  wire clock_in,
    output logic pin
);
`ifdef LPU_ECP5
    (* keep *) USRMCLK access (.USRMCLKI(clock_in), .USRMCLKTS(1'b0), .USRMCLKO());
    assign pin = 1'b0;
`else
    assign pin = clock_in;
`endif
endmodule
