module taus88_step (
    input  wire [31:0] a,
    input  wire [31:0] b,
    input  wire [31:0] c,
    output logic [31:0] a_next,
    output logic [31:0] b_next,
    output logic [31:0] c_next,
    output logic [31:0] value
);
    assign a_next = {a[19:1], 13'h0} ^ {19'h0, a[18:6] ^ a[31:19]};
    assign b_next = {b[27:3], 7'h0} ^ {25'h0, b[29:23] ^ b[31:25]};
    assign c_next = {c[14:4], 21'h0} ^ {11'h0, c[28:8] ^ c[31:11]};
    assign value = a_next ^ b_next ^ c_next;
endmodule
