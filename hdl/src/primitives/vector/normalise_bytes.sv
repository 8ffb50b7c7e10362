module normalise_bytes (
    input  wire [31:0] x,
    output logic [1:0] zero_bytes,
    output logic [2:0] zero_bits,
    output logic [31:0] shifted
);
    function automatic logic [2:0] zeros_of(input logic [7:0] one_byte);
        logic no_high;
        logic no_high_pair;
        logic no_low_pair;
        no_high = one_byte[7:4] == 4'h0;
        no_high_pair = one_byte[7:6] == 2'h0;
        no_low_pair = one_byte[3:2] == 2'h0;
        zeros_of[2] = no_high;
        zeros_of[1] = no_high ? no_low_pair : no_high_pair;
        zeros_of[0] = !no_high ? (no_high_pair ? !one_byte[5] : !one_byte[7]) : no_low_pair ? !one_byte[1] : !one_byte[3];
    endfunction
    logic [2:0] none;
    assign none = {x[31:24] == 8'h0, x[23:16] == 8'h0, x[15:8] == 8'h0};
    assign zero_bytes = !none[2] ? 2'd0 : !none[1] ? 2'd1 : !none[0] ? 2'd2 : 2'd3;
    assign zero_bits = !none[2] ? zeros_of(x[31:24]) : !none[1] ? zeros_of(x[23:16]) : !none[0] ? zeros_of(x[15:8]) : zeros_of(x[7:0]);
    assign shifted = x << {zero_bytes, 3'h0};
endmodule
