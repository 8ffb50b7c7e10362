module operand_shift (
    input  wire [23:0] x,
    input  wire [2:0] shift,
    output logic [17:0] y,
    output logic round
);
    logic [24:0] shifted;
    logic [6:0] reach;
    logic over;
    logic full;
    assign shifted = $signed({x, 1'b0}) >>> shift;
    always_comb begin
        for (int j = 0; j < 7; j++) reach[j] = shift > j[2:0];
    end
    assign over = ((x[22:17] ^ {6{x[23]}}) & ~reach[5:0]) != 6'h0;
    assign full = !x[23] && (~x[16:6] == 11'h0) && ((~x[5:0] & ~reach[6:1]) == 6'h0) && ((~x[23:17] & reach) == 7'h0);
    assign y = over ? {x[23], {17{!x[23]}}} : shifted[18:1];
    assign round = shifted[0] && !over && !full;
endmodule
