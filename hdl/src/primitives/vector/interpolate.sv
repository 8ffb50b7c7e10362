module interpolate (
    input  wire [17:0] base,
    input  wire [25:0] product,
    output logic [17:0] mantissa
);
    logic [18:0] sum;
    assign sum = {base, 1'b1} + {{4{product[25]}}, product[25:11]};
    assign mantissa = sum[18:1];
endmodule
