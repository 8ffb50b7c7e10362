    // A transfer takes the first slot that begins `delay + TRANSFER_LEAD` cycles after its activation, or later, and each slot after it until
    // it has its granules, none of them twice; and the next instruction is due once, `TRANSFER_LEAD + 1` cycles before the last slot ends.

    wire [29:0] formal_delay = delay_less_one[20] ? 30'h0 : {9'h0, delay_less_one} + 30'h1;
    wire [29:0] formal_granules = count_less_one[20] ? 30'h1 : {9'h0, count_less_one} + 30'h1;
    localparam logic [29:0] formal_lead = {9'h0, lead};
    // Cycles from the last slot to `due`.
    localparam logic [29:0] formal_rest = {24'h0, rest} + 30'h2;

    // The transfer activated last: cycles since its activation, granules taken, cycles since the last one.
    logic formal_runs, formal_over, formal_waits;
    logic [29:0] formal_now, formal_from, formal_count, formal_taken, formal_since;
    initial begin
        formal_runs = 0;
        formal_over = 0;
        formal_waits = 0;
        formal_now = 0;
        formal_from = 0;
        formal_count = 0;
        formal_taken = 0;
        formal_since = 0;
    end
    wire formal_take = formal_runs && slot && formal_now >= formal_from && formal_taken != formal_count;
    always @(posedge clock) begin
        if (formal_now != 30'h3fffffff) formal_now <= formal_now + 30'h1;
        formal_since <= formal_since + 30'h1;
        if (formal_take) begin
            formal_taken <= formal_taken + 30'h1;
            formal_since <= 30'h1;
        end
        if (due) formal_runs <= 0;
        if (activate) begin
            formal_runs <= 1;
            formal_now <= 0;
            formal_from <= formal_delay + formal_lead;
            formal_count <= formal_granules;
            formal_taken <= 0;
        end
    end
    always @* begin
        // The queue activates a transfer only when the instruction before it is over, as `icu/queue.property.sv` proves.
        if (activate) assume (!formal_runs || due);
        // What a program can say and the position add up to less.
        if (activate) assume (formal_delay <= 30'h0ffff0);

        assert (take == formal_take);
        if (take) assert (first == (formal_taken == 0) && last == (formal_taken + 30'h1 == formal_count));
        assert (due == (formal_runs && formal_taken == formal_count && formal_since == formal_rest));
    end
    // Induction: what holds between the registers, so that the proof needs no bound.
    always @* begin
        if (!formal_runs) assert (!waits && !armed && !resting && !due_held);
        else begin
            assert (formal_count != 0 && formal_count <= 30'h100000 && formal_taken <= formal_count);
            assert (formal_from >= formal_lead && formal_from <= 30'h0ffff0 + formal_lead);
            assert (waits == (formal_now < formal_from));
            if (waits) assert (formal_taken == 0 && {9'h0, cycles} == formal_from - formal_now - 30'h1);
            assert (armed == (!waits && formal_taken != formal_count));
            if (formal_taken != formal_count) begin
                assert (begun == (formal_taken != 0));
                assert ({9'h0, left} == formal_count - formal_taken - 30'h1 && none_left == (left == 0));
                assert (!resting && !due_held);
            end else begin
                assert (formal_since != 0 && formal_since <= formal_rest);
                assert (resting == (formal_since < formal_rest) && due_held == (formal_since == formal_rest));
                if (resting) assert ({24'h0, rest_left} == formal_rest - 30'h1 - formal_since);
            end
        end
    end
