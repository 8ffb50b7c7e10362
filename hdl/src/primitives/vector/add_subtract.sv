module add_subtract (
    input  wire [23:0] addend,
    input  wire [24:0] product,
    input  wire round,
    input  wire subtract,
    output logic [25:0] sum
);
    logic [26:0] turned;
    logic [26:0] total;
    assign turned = {product[24], product, round} ^ {27{subtract}};
    assign total = {{2{addend[23]}}, addend, 1'b1} + turned;
    assign sum = total[26:1];
endmodule
