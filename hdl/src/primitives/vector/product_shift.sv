module product_shift (
    input  wire clock,
    input  wire [35:0] product,
    input  wire [5:0] amount,
    output logic [24:0] shifted,
    output logic round,
    output logic over,
    output logic negative
);
    logic [36:0] coarse;
    logic [36:0] fine;
    logic [1:0] rest;
    logic [11:0] differs;
    assign fine = $signed(coarse) >>> rest;
    assign differs = coarse[36:25] ^ {12{coarse[36]}};
    initial begin
        coarse = 37'h0;
        rest = 2'h0;
        shifted = 25'h0;
        round = 1'h0;
        over = 1'h0;
        negative = 1'h0;
    end
    always_ff @(posedge clock) begin
        coarse <= $signed({product, 1'b0}) >>> {amount[5:2], 2'b00};
        rest <= amount[1:0];
        shifted <= fine[25:1];
        round <= fine[0];
        over <= differs[11:3] != 9'h0 || (differs[2] && rest != 2'd3) || (differs[1] && !rest[1]) || (differs[0] && rest == 2'd0);
        negative <= coarse[36];
    end
endmodule
