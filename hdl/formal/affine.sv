    // `constant + per_block * blocks - 1` stands at the output three cycles after its parts: shown for arbitrary parts.

    (* anyconst *) logic [20:0] formal_factor;
    (* anyconst *) logic [7:0] formal_blocks;
    (* anyconst *) logic [15:0] formal_constant;
    wire formal_parts = {{(21 - $bits(per_block)){per_block[$bits(per_block)-1]}}, per_block} == formal_factor
        && blocks == formal_blocks && constant == formal_constant;
    logic [2:0] formal_past; // these were the parts one, two and three cycles ago
    initial formal_past = 0;
    always @(posedge clock) formal_past <= {formal_past[1:0], formal_parts};

    // The product in two halves, which a solver can multiply.
    wire [20:0] formal_lower = formal_factor * {17'h0, formal_blocks[3:0]};
    wire [20:0] formal_upper = (formal_factor * {17'h0, formal_blocks[7:4]}) << 4;
    wire [20:0] formal_wide = {{5{formal_constant[15]}}, formal_constant};
    always @* if (formal_past[2]) assert (less_one == formal_wide + formal_lower + formal_upper - 21'h1);

    // Induction: what holds between the registers, so that the proof needs no bound.
    always @* begin
        if (formal_past[0]) begin
            assert (held == formal_wide && blocks_held == formal_blocks);
            assert ({{(21 - $bits(factor)){factor[$bits(factor)-1]}}, factor} == formal_factor);
        end
        if (formal_past[1]) assert (decremented == formal_wide - 21'h1 && lower == formal_lower && upper == formal_upper);
    end
