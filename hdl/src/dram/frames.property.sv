    // Each frame has its refresh and its slots in their cycles and nothing else, whenever segments begin; and what follows from that for
    // the memory: refreshes are in time, and far enough from each other and from granules.

    localparam logic [11:0] formal_frame = {1'b0, frame_last} + 12'h1;
    localparam logic [11:0] formal_refresh_cycle = formal_frame - {1'b0, before_refresh};
    localparam logic [11:0] formal_refresh = {6'h0, first_slot} + 12'h1;
    localparam logic [11:0] formal_granule = {6'h0, granule_last} + 12'h1;

    // The cycle of the frame; stands behind the last.
    logic formal_live;
    logic [11:0] formal_cycle;
    // Cycles since a refresh, and since a slot that takes a granule: any slot may.
    (* anyseq *) logic formal_takes;
    logic formal_refreshed, formal_taken;
    logic [11:0] formal_since_refresh, formal_since_taken;
    // A start was pending since the last refresh; the frame began with a segment, so many cycles after another.
    logic formal_held, formal_cut;
    logic [11:0] formal_since_segment;
    initial begin
        formal_cut = 0;
        formal_since_segment = 12'hfff;
        formal_live = 0;
        formal_cycle = 0;
        formal_refreshed = 0;
        formal_taken = 0;
        formal_since_refresh = 0;
        formal_since_taken = 0;
        formal_held = 0;
    end
    wire formal_ends = !formal_live || formal_cycle >= formal_frame - 12'h1;
    always @(posedge clock) begin
        if (formal_cycle < formal_frame) formal_cycle <= formal_cycle + 12'h1;
        if (segment || (formal_ends && !hold)) begin
            formal_live <= 1;
            formal_cycle <= 0;
            formal_cut <= segment;
        end
        if (formal_since_segment != 12'hfff) formal_since_segment <= formal_since_segment + 12'h1;
        if (segment) formal_since_segment <= 12'h1;
        if (formal_since_refresh != 12'hfff) formal_since_refresh <= formal_since_refresh + 12'h1;
        if (formal_since_taken != 12'hfff) formal_since_taken <= formal_since_taken + 12'h1;
        if (formal_ends && hold) formal_held <= 1;
        if (refresh) begin
            formal_refreshed <= 1;
            formal_since_refresh <= 12'h1;
            formal_held <= 0;
        end
        if (slot && formal_takes) begin
            formal_taken <= 1;
            formal_since_taken <= 12'h1;
        end
    end
    wire [11:0] formal_after = formal_cycle - formal_refresh;
    // A granule of a whole number of bits: its cycles are a power of two.
    wire [11:0] formal_number = formal_after / formal_granule;
    wire formal_in_slots = formal_live && formal_cycle >= formal_refresh && formal_cycle < formal_frame;
    always @* begin
        // The queues meet when the last granule is over, as `icu/slot_timer.property.sv` proves; a token starts later still.
        if (segment) assume (!(slot && formal_takes));
        if (segment) assume (!formal_taken || formal_since_taken + 12'h1 >= formal_granule);
        // A segment is longer than the way to its refresh: a rule for programs.
        if (segment) assume (formal_since_segment > formal_refresh_cycle + 12'h1);

        assert (refresh == (formal_live && formal_cycle == formal_refresh_cycle));
        assert (slot == (formal_in_slots && (formal_after & (formal_granule - 12'h1)) == 0
            && formal_number < {6'h0, slots}));
        // tRFC from refresh to granule and to refresh.
        if (slot && formal_takes) assert (formal_since_refresh >= formal_refresh - formal_refresh_cycle);
        if (refresh && formal_refreshed) assert (formal_since_refresh > formal_refresh_cycle);
        // Granules are over, and their banks closed, before a refresh and before one another.
        if (refresh && formal_taken) assert (formal_since_taken >= formal_granule + formal_refresh_cycle);
        if (slot && formal_takes && formal_taken) assert (formal_since_taken >= formal_granule);
        // A refresh is late by the window of a frame at most, and only where a segment cuts that window short.
        if (formal_refreshed && !formal_held) assert (formal_since_refresh <= formal_frame + formal_refresh_cycle);
    end
    // Induction: what holds between the registers, so that the proof needs no bound.
    always @* begin
        assert (formal_cycle <= formal_frame);
        if (!formal_live) assert (left == 0 && slots_left == 0 && !refresh_held && !slot_held && !formal_taken
            && !formal_refreshed);
        else begin
            assert ({1'b0, left} == (formal_ends ? 12'h0 : formal_frame - 12'h1 - formal_cycle));
            if (formal_cycle < formal_refresh) begin
                assert ({6'h0, to_slot} == formal_refresh - 12'h1 - formal_cycle && slots_left == slots);
                if (formal_taken) assert (formal_since_taken >= formal_granule + formal_cycle);
                if (formal_cycle > formal_refresh_cycle) assert (formal_refreshed);
                if (formal_refreshed) assert (formal_cycle > formal_refresh_cycle
                    ? formal_since_refresh == formal_cycle - formal_refresh_cycle
                    : formal_since_refresh > formal_cycle);
            end else begin
                assert ({6'h0, slots_left}
                    == (formal_number >= {6'h0, slots} ? 12'h0 : {6'h0, slots} - 12'h1 - formal_number));
                if (formal_cycle < formal_frame)
                    assert ({6'h0, to_slot} == formal_granule - 12'h1 - (formal_after & (formal_granule - 12'h1)));
                assert (formal_refreshed);
                if (formal_cycle < formal_frame)
                    assert (formal_since_refresh == formal_cycle - formal_refresh_cycle);
                else assert (formal_since_refresh >= formal_frame - formal_refresh_cycle && formal_held);
                // Slots lie a granule apart: what was taken lies so far from this cycle as one of them.
                if (formal_taken && formal_number < {6'h0, slots})
                    assert (formal_since_taken >= formal_after + formal_granule
                        || (formal_since_taken != 0
                            && ((formal_after - formal_since_taken) & (formal_granule - 12'h1)) == 0));
                if (formal_taken && formal_number >= {6'h0, slots})
                    assert (formal_since_taken >= formal_after - ({6'h0, slots} - 12'h1) * formal_granule);
            end
            if (formal_refreshed && !formal_held && formal_cycle <= formal_refresh_cycle)
                assert (formal_since_refresh
                    <= formal_frame + formal_cycle - (formal_cut ? 12'h0 : formal_refresh_cycle));
            if (formal_cut) assert (formal_since_segment == formal_cycle + 12'h1 || formal_cycle == formal_frame);
        end
    end
