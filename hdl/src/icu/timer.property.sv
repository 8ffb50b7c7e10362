    // An instruction activated in cycle `a` issues in the cycles `a + delay + k * interval`, `count` times and in no other cycle,
    // and is over in the cycle before `a + delay + count * interval`.

    // The instruction as numbers: first issue after `formal_delay` cycles, `formal_count` of them.
    wire [29:0] formal_delay = delay_less_one[20] ? 30'h0 : {9'h0, delay_less_one} + 30'h1;
    wire [29:0] formal_issues =
        !issues ? 30'h0 : count_less_one[20] ? 30'h1 : {9'h0, count_less_one} + 30'h1;

    // What was activated last, and how far it is: cycles since its activation, issues made, cycle of the next.
    logic formal_runs;
    logic [29:0] formal_now;
    logic [29:0] formal_next;
    logic [29:0] formal_made;
    logic [29:0] formal_count;
    logic [29:0] formal_interval;
    initial begin
        formal_runs = 0;
        formal_now = 0;
        formal_next = 0;
        formal_made = 0;
        formal_count = 0;
        formal_interval = 0;
    end
    wire formal_issue = formal_runs && formal_made != formal_count && formal_now == formal_next;
    wire [29:0] formal_made_then = formal_made + {29'h0, formal_issue};
    wire [29:0] formal_next_then = formal_issue ? formal_next + formal_interval : formal_next;
    // Once all issues are made, the next activation is due in cycle `formal_next_then`, but no earlier than a cycle after this one.
    wire formal_due = formal_runs && formal_made_then == formal_count
        && (formal_next_then == formal_now + 30'h1 || (formal_next_then == 30'h0 && formal_now == 30'h0));
    always @(posedge clock) begin
        formal_now <= formal_now + 30'h1;
        formal_made <= formal_made_then;
        formal_next <= formal_next_then;
        if (formal_due) formal_runs <= 0;
        if (activate) begin
            formal_runs <= timed;
            formal_now <= 0;
            formal_made <= 0;
            formal_next <= formal_delay;
            formal_count <= formal_issues;
            formal_interval <= {22'h0, interval_less_one} + 30'h1;
        end
    end
    always @* begin
        // The queue activates an instruction only when the one before it is over, as `icu/queue.property.sv` proves.
        if (activate) assume (!formal_runs || due);
        if (issues) assume (timed);

        assert (issue == formal_issue);
        if (issue) assert (first == (formal_made == 0) && last == (formal_made + 30'h1 == formal_count));
        assert (due == formal_due);
    end
    // Induction: what holds between the registers, so that the proof needs no bound.
    always @* begin
        assert (active == formal_runs);
        assert (due_held == (active && zero && left[20]));
        if (formal_runs) begin
            assert (formal_count <= 30'h100000 && formal_made_then <= formal_count);
            assert ({{9{left[20]}}, left} == formal_count - formal_made_then - 30'h1);
            assert (formal_made_then == 0 || begun);
            assert (formal_made_then != 0 || formal_count == 0 || !begun);
            assert ({22'h0, interval} + 30'h1 == formal_interval);
            assert (!cycles[20] && zero == (cycles == 0) && interval_zero == (interval == 0));
            if (formal_next_then == 0 && formal_now == 0) assert (cycles == 0 && formal_count == 0);
            else assert ({9'h0, cycles} == formal_next_then - formal_now - 30'h1);
        end
    end
