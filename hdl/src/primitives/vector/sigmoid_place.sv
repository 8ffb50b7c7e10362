module sigmoid_place (
    input  wire [18:0] x,
    output logic [5:0] segment,
    output logic [11:0] fraction
);
    logic [16:0] magnitude;
    logic over;
    assign over = x[18] != x[17];
    assign magnitude = (x[16:0] ^ {17{x[18]}}) | {17{over}};
    assign segment = magnitude[16] ? {2'b11, magnitude[15:12]} : magnitude[15] ? {2'b10, magnitude[14:11]} : {1'b0, magnitude[14:10]};
    assign fraction = magnitude[16] ? magnitude[11:0] : magnitude[15] ? {magnitude[10:0], 1'b0} : {magnitude[9:0], 2'b00};
endmodule
