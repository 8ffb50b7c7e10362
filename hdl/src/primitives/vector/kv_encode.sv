module kv_encode (
    input  wire [23:0] x,
    output logic [8:0] code
);
    logic beyond;
    logic [8:0] magnitude;
    logic [5:0] halves;
    logic [5:0] quarters;
    logic [7:0] place;
    assign beyond = x[23:9] != {15{x[23]}};
    assign magnitude = x[8:0] ^ {9{x[23]}};
    assign halves = x[6:1] ^ {&magnitude[5:0], &magnitude[4:0], &magnitude[3:0], &magnitude[2:0], &magnitude[1:0], magnitude[0]};
    assign quarters = x[7:2] ^ {&magnitude[6:1], &magnitude[5:1], &magnitude[4:1], &magnitude[3:1], &magnitude[2:1], magnitude[1]};
    always_comb begin
        if (beyond | &magnitude[8:2]) place = {8{!x[23]}};
        else if (magnitude[8] | &magnitude[7:0]) place = {{2{!x[23]}}, quarters};
        else if (magnitude[7]) place = {!x[23], x[23], halves};
        else place = x[7:0];
    end
    assign code = {x[23], place};
endmodule
