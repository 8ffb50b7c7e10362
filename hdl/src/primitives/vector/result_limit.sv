module result_limit (
    input  wire [25:0] sum,
    input  wire over,
    input  wire negative,
    input  wire relu,
    output logic [23:0] result,
    output logic saturated
);
    logic sign;
    logic keep;
    logic fill;
    assign sign = over ? negative : sum[25];
    assign saturated = over || sum[25:23] != {3{sum[25]}};
    assign keep = !saturated && !(relu && sum[25]);
    assign fill = !sign;
    assign result = {sign && !relu, keep ? sum[22:0] : {23{fill}}};
endmodule
