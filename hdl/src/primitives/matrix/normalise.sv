module normalise (
    input  wire clock,
    input  wire [31:0] x,
    input  wire [4:0] shift,
    output logic [17:0] y,
    output logic over
);
    logic signed [32:0] fine;
    logic [2:0] rest;
    logic signed [32:0] coarse;
    logic [2:0] differs;
    logic [19:0] low;
    logic sign;
    logic high;
    logic [18:0] rounded;
    assign coarse = fine >>> {rest, 2'b00};
    assign differs = {fine[31:28] != {4{fine[32]}}, fine[27:24] != {4{fine[32]}}, fine[23:20] != {4{fine[32]}}};
    initial begin
        fine = 33'h0;
        rest = 3'h0;
        low = 20'h0;
        sign = 1'h0;
        high = 1'h0;
    end
    always_ff @(posedge clock) begin
        fine <= $signed({x, 1'b0}) >>> shift[1:0];
        rest <= shift[4:2];
        low <= coarse[19:0];
        sign <= fine[32];
        case (rest)
            3'd0: high <= |differs;
            3'd1: high <= |differs[2:1];
            3'd2: high <= differs[2];
            default: high <= 1'b0;
        endcase
    end
    assign rounded = low[19:1] + {18'h0, low[0]};
    assign over = high || (low[19] != sign) || (rounded[18] != rounded[17]);
    assign y = over ? {sign, {17{!sign}}} : rounded[17:0];
endmodule
