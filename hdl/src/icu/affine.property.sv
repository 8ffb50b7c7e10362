    // `constant + per_block * blocks - 1` stands at the output three cycles after its parts: shown for arbitrary parts.

    // That the multiplier gives this product two cycles after its factors is tested (`primitives/mult.rs`), not proved.
    (* anyconst *) logic [17:0] formal_a;
    (* anyconst *) logic [17:0] formal_b;
    (* anyconst *) logic [35:0] formal_product;
    (* anyconst *) logic [15:0] formal_constant;
    wire formal_factors = {{(18 - $bits(per_block)){per_block[$bits(per_block)-1]}}, per_block} == formal_a
        && {10'h0, blocks} == formal_b;
    logic [1:0] formal_factors_past; // these were the factors one and two cycles ago
    logic [2:0] formal_past;         // these were all parts one, two and three cycles ago
    initial begin
        formal_factors_past = 0;
        formal_past = 0;
    end
    always @(posedge clock) begin
        formal_factors_past <= {formal_factors_past[0], formal_factors};
        formal_past <= {formal_past[1:0], formal_factors && constant == formal_constant};
    end
    always @* if (formal_factors_past[1]) assume (multiplier$product == formal_product);
    wire [20:0] formal_wide = {{5{formal_constant[15]}}, formal_constant};
    always @* if (formal_past[2]) assert (less_one == formal_wide + formal_product[20:0] - 21'h1);

    // Induction: what holds between the registers, so that the proof needs no bound.
    always @* begin
        if (formal_past[0]) assert (held == formal_wide && formal_factors_past[0]);
        if (formal_past[1]) assert (decremented == formal_wide - 21'h1 && formal_factors_past[1]);
    end
