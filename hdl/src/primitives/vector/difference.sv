module difference (
    input  wire [17:0] x,
    input  wire round,
    input  wire [17:0] s,
    input  wire [18:0] minus,
    output logic [18:0] forward,
    output logic [18:0] backward
);
    logic [19:0] ahead;
    logic [19:0] back;
    assign ahead = {x[17], x, 1'b1} + {minus, round};
    assign back = {s[17], s, 1'b1} + {~{x[17], x}, !round};
    assign forward = ahead[19:1];
    assign backward = back[19:1];
endmodule
