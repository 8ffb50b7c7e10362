    // No instruction is lost, doubled or early: after a start or meeting one is activated in the fourth cycle, after a timed
    // instruction one when that is over, or as soon as it is ready, and then the flag says so; after the others none.

`ifdef FORMAL_SLOTS
    // Transfers have a timer of their own.
    wire formal_due = timer$due || slots$0$due;
    // `icu/slot_timer.property.sv`: a granule lies between activation and end of a transfer, so the next instruction is ready.
    always @* if (slots$0$due) assume (formal_age >= 4);
`else
    wire formal_due = timer$due;
`endif

    // Since the strobe of the last start or meeting, or activation: cycles, counted to five.
    logic [2:0] formal_age;
    logic formal_begins;   // a start or meeting waits for its activation
    logic formal_counts;   // a timed instruction has been activated and was not yet over
    logic formal_owes;     // it was over before the next instruction was ready
    logic formal_rests;    // at a meeting or an end: nothing is activated
    logic formal_meets;
    logic formal_ends;
    logic formal_late;
    initial begin
        formal_age = 5;
        formal_begins = 0;
        formal_counts = 0;
        formal_owes = 0;
        formal_rests = 1;
        formal_meets = 0;
        formal_ends = 0;
        formal_late = 0;
    end
    // The strobe of an activation comes in the cycle before it.
    wire formal_activate = formal_begins ? formal_age == 3
        : (formal_owes || (formal_counts && formal_due)) && formal_age >= 4;
    wire formal_early = formal_counts && formal_due && !formal_activate;
    wire formal_timed = !(fetch$meets || fetch$ends || fetch$illegal);
    always @(posedge clock) begin
        if (formal_age != 5) formal_age <= formal_age + 1;
        formal_late <= formal_early;
        if (formal_early) formal_owes <= 1;
        if (formal_counts && formal_due) formal_counts <= 0;
        if (formal_activate) begin
            formal_age <= 1;
            formal_begins <= 0;
            formal_owes <= 0;
            formal_counts <= formal_timed;
            formal_rests <= !formal_timed;
            formal_meets <= fetch$meets;
            formal_ends <= fetch$ends || fetch$illegal;
        end
        if (start || meet) begin
            formal_age <= 1;
            formal_begins <= 1;
            formal_rests <= 0;
            formal_meets <= 0;
        end
        if (over) begin
            formal_meets <= 0;
            formal_ends <= 0;
        end
    end

    // The instruction activated last: its parts are taken a cycle later, when `icu/fetch.property.sv` says that they still stand.
    logic [3:0] formal_opcode;
    logic [63:0] formal_part;
    logic formal_some;
    logic formal_before;
    initial begin
        formal_opcode = 0;
        formal_part = 0;
        formal_some = 0;
        formal_before = 0;
    end
    always @(posedge clock) begin
        formal_before <= formal_activate;
        if (formal_activate) formal_opcode <= fetch$opcode;
        if (formal_before) begin
            formal_some <= 1;
            formal_part <= fetch$part$1;
        end
    end

    // Strobes of the loop.
    wire formal_trip = start || opens_1 || (meet_1 && code == code_end_loop);
    logic formal_trip_before;
    logic formal_opens;
    logic formal_met;
    initial begin
        formal_trip_before = 0;
        formal_opens = 0;
        formal_met = 0;
    end
    always @(posedge clock) begin
        formal_trip_before <= formal_trip;
        formal_opens <= formal_activate && fetch$loops;
        formal_met <= meet;
    end

    // The sequencer: starts a token when the one before is over, and lets waiting queues go on or end.
    always @* begin
        if (start) assume (formal_rests && !formal_meets && !formal_ends && !meet && !over);
        if (meet) assume (waiting);
        if (over) assume (!meet && (waiting || ended));
        // `icu/timer.property.sv`, `icu/slot_timer.property.sv`: an instruction is over once, and only one that was activated.
        if (formal_due) assume (formal_counts);
        // `icu/fetch.property.sv`: an operation is of one sort.
        assume ({2'h0, fetch$loops} + {2'h0, fetch$meets} + {2'h0, fetch$ends} + {2'h0, fetch$illegal} <= 3'h1);
    end

    always @* begin
        assert (activate == formal_activate);
        assert (underrun == formal_late);
        if (activate) assert (!formal_counts || formal_due);
        assert (waiting == formal_meets && ended == formal_ends);
        assert (opcode == formal_opcode);
        if (formal_some) assert (part$1 == formal_part);
        assert (opens_1 == formal_opens && meet_1 == formal_met);
        // `icu/trips.property.sv` counts on this.
        assert (!(formal_trip && formal_trip_before));
    end

    // Induction: what holds between the registers, so that the proof needs no bound.
    always @* begin
        assert (wanted == (formal_begins || formal_owes));
        assert (age == (formal_age >= (formal_begins ? 3'h3 : 3'h4) ? 2'h0
            : formal_begins ? 2'h3 - formal_age[1:0] : 2'(3'h4 - formal_age)));
        assert ({2'h0, formal_begins} + {2'h0, formal_counts} + {2'h0, formal_owes} + {2'h0, formal_rests} == 3'h1);
        assert (activate_1$1$q == formal_before);
        if (formal_opens) assert (formal_counts && formal_age == 1);
        if (formal_met) assert (formal_begins && formal_age == 1);
        if (formal_before) assert (formal_age == 1 && !formal_begins);
        if (formal_trip_before) assert (formal_age <= 2 && (formal_begins || formal_counts || formal_owes));
        assert (!(formal_meets && formal_ends) && (formal_rests || !(formal_meets || formal_ends)));
        if (formal_begins) assert (formal_age <= 3);
        if (formal_owes) assert (formal_age <= 4);
        assert (formal_age != 0 && formal_age <= 5);
    end
