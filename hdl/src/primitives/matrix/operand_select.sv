module operand_select (
    input  wire [8:0] weight,
    input  wire [8:0] code,
    input  wire from_kv,
    output logic [9:0] operand
);
    logic [1:0] kind;
    logic sign;
    assign sign = code[8];
    assign kind = !from_kv ? 2'd0 : (code[7] == sign) ? 2'd1 : (code[6] == sign) ? 2'd2 : 2'd3;
    always_comb begin
        case (kind)
            2'd0: operand = {weight[8], weight};
            2'd1: operand = {sign, sign, code[7:0]};
            2'd2: operand = {sign, sign, !sign, code[5:0], sign};
            default: operand = {sign, !sign, code[5:0], sign, sign};
        endcase
    end
endmodule
