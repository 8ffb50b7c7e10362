    // A loop of so many trips turns back once less, and its offsets grow each time.

    // An arbitrary loop: its trips, and how often it was turned back since it was opened.
    logic formal_open;
    logic [20:0] formal_trips;
    logic [20:0] formal_turns;
    logic [23:0] formal_first;
    logic [23:0] formal_second;
    logic formal_quiet; // no strobe in the cycle before
    initial begin
        formal_open = 0;
        formal_trips = 0;
        formal_turns = 0;
        formal_first = 0;
        formal_second = 0;
        formal_quiet = 1;
    end
    wire formal_turns_back = formal_open && formal_turns + 21'h1 != formal_trips;
    always @(posedge clock) begin
        formal_quiet <= !(clear || opens || turn);
        if (turn) begin
            if (formal_turns_back) begin
                formal_turns <= formal_turns + 21'h1;
                formal_first <= formal_first + first_step;
                formal_second <= formal_second + second_step;
            end else begin
                formal_open <= 0;
                formal_first <= 0;
                formal_second <= 0;
            end
        end
        if (opens) begin
            formal_open <= 1;
            formal_turns <= 0;
            formal_trips <= count_less_one[20] ? 21'h1 : count_less_one + 21'h1;
        end
        if (clear) begin
            formal_open <= 0;
            formal_first <= 0;
            formal_second <= 0;
        end
    end
    always @* begin
        // `icu/queue.property.sv`: strobes never follow each other.
        assume (clear + opens + turn <= 1);
        if (!formal_quiet) assume (!clear && !opens && !turn);
        if (formal_quiet) assert (again == formal_turns_back);
        assert (offset_first == formal_first && offset_second == formal_second);
    end

    // Induction: what holds between the registers, so that the proof needs no bound.
    always @* begin
        assert (formal_open ? formal_turns < formal_trips && left == formal_trips - formal_turns - 21'h1 : left == 0);
        if (formal_quiet) assert (some_left == (left != 0));
    end
