module shift_amount (
    input  wire [12:0] total,
    output logic [5:0] amount
);
    logic above;
    assign above = total[11:6] != 6'h0 || total[5:4] == 2'b11;
    assign amount = total[12] ? 6'd0 : above ? 6'd47 : total[5:0];
endmodule
