module destination_limit (
    input  wire [23:0] x,
    input  wire to_vmem,
    input  wire to_act,
    output logic sign,
    output logic [16:0] low,
    output logic over
);
    logic over_18;
    logic over_16;
    logic over_10;
    assign over_18 = x[22:17] != {6{x[23]}};
    assign over_16 = over_18 || (x[16:15] != {2{x[23]}});
    assign over_10 = over_16 || (x[14:9] != {6{x[23]}});
    assign sign = x[23];
    assign over = to_vmem ? over_18 : to_act ? over_16 : over_10;
    assign low = over ? {17{!x[23]}} : x[16:0];
endmodule
