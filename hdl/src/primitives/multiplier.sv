module multiplier (
    input  wire clock,
    input  wire [17:0] a,
    input  wire [17:0] b,
    output logic [35:0] product
);
`ifdef LPU_ECP5
    MULT18X18D #(
        .REG_INPUTA_CLK("CLK0"), .REG_INPUTA_CE("CE0"), .REG_INPUTA_RST("RST0"),
        .REG_INPUTB_CLK("CLK0"), .REG_INPUTB_CE("CE0"), .REG_INPUTB_RST("RST0"),
        .REG_OUTPUT_CLK("CLK0"), .REG_OUTPUT_CE("CE0"), .REG_OUTPUT_RST("RST0")
    ) multiplier (
        .A0(a[0]), .B0(b[0]), .C0(1'b0),
        .A1(a[1]), .B1(b[1]), .C1(1'b0),
        .A2(a[2]), .B2(b[2]), .C2(1'b0),
        .A3(a[3]), .B3(b[3]), .C3(1'b0),
        .A4(a[4]), .B4(b[4]), .C4(1'b0),
        .A5(a[5]), .B5(b[5]), .C5(1'b0),
        .A6(a[6]), .B6(b[6]), .C6(1'b0),
        .A7(a[7]), .B7(b[7]), .C7(1'b0),
        .A8(a[8]), .B8(b[8]), .C8(1'b0),
        .A9(a[9]), .B9(b[9]), .C9(1'b0),
        .A10(a[10]), .B10(b[10]), .C10(1'b0),
        .A11(a[11]), .B11(b[11]), .C11(1'b0),
        .A12(a[12]), .B12(b[12]), .C12(1'b0),
        .A13(a[13]), .B13(b[13]), .C13(1'b0),
        .A14(a[14]), .B14(b[14]), .C14(1'b0),
        .A15(a[15]), .B15(b[15]), .C15(1'b0),
        .A16(a[16]), .B16(b[16]), .C16(1'b0),
        .A17(a[17]), .B17(b[17]), .C17(1'b0),
        .P0(product[0]),
        .P1(product[1]),
        .P2(product[2]),
        .P3(product[3]),
        .P4(product[4]),
        .P5(product[5]),
        .P6(product[6]),
        .P7(product[7]),
        .P8(product[8]),
        .P9(product[9]),
        .P10(product[10]),
        .P11(product[11]),
        .P12(product[12]),
        .P13(product[13]),
        .P14(product[14]),
        .P15(product[15]),
        .P16(product[16]),
        .P17(product[17]),
        .P18(product[18]),
        .P19(product[19]),
        .P20(product[20]),
        .P21(product[21]),
        .P22(product[22]),
        .P23(product[23]),
        .P24(product[24]),
        .P25(product[25]),
        .P26(product[26]),
        .P27(product[27]),
        .P28(product[28]),
        .P29(product[29]),
        .P30(product[30]),
        .P31(product[31]),
        .P32(product[32]),
        .P33(product[33]),
        .P34(product[34]),
        .P35(product[35]),
        .SIGNEDA(1'b1), .SIGNEDB(1'b1), .SOURCEA(1'b0), .SOURCEB(1'b0),
        .CLK0(clock), .CE0(1'b1), .RST0(1'b0)
    );
`else
    logic signed [17:0] a_held;
    logic signed [17:0] b_held;
    initial begin
        a_held = 18'h0;
        b_held = 18'h0;
        product = 36'h0;
    end
    always_ff @(posedge clock) begin
        a_held <= a;
        b_held <= b;
        product <= a_held * b_held;
    end
`endif
endmodule
