module half_span (
    input  wire [3:0] period,
    output logic [14:0] counted
);
    always_comb begin
        for (int bit_index = 0; bit_index < 15; bit_index++) counted[bit_index] = period > bit_index[3:0];
    end
endmodule
