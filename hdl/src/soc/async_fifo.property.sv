    // Words cross in the order in which they came, each once, whatever the two clocks do: shown for an arbitrary word. A step is
    // no cycle here: in any step either clock, both or none may rise.

    // A register that catches a count in the step after its change may catch each bit before or after it; the test puts
    // this in the place of the counts on their way.
    (* gclk *) logic formal_step;
    (* anyseq *) logic [$bits(written)-1:0] formal_written_early, formal_taken_early;
    logic [$bits(written)-1:0] formal_written_before, formal_taken_before;
    initial formal_written_before = 0;
    initial formal_taken_before = 0;
    always @(posedge formal_step) formal_written_before <= written_gray;
    always @(posedge formal_step) formal_taken_before <= taken_gray;
    assign formal_written_caught =
        (formal_written_before & formal_written_early) | (written_gray & ~formal_written_early);
    assign formal_taken_caught = (formal_taken_before & formal_taken_early) | (taken_gray & ~formal_taken_early);

    // An arbitrary number of a word. `primitives/lutram.property.sv` proves of every place of the memory what is assumed of this one.
    (* anyconst *) logic [$bits(written)-1:0] formal_number;
    localparam int formal_room = 1 << ($bits(written) - 1);

    // Words in and out by the ports alone, modulo twice the queue's size.
    logic [$bits(written)-1:0] formal_in, formal_out;
    logic [$bits(write_data)-1:0] formal_word, formal_stored;
    initial begin
        formal_in = 0;
        formal_out = 0;
        formal_word = 0;
        formal_stored = 0;
    end
    always @(posedge write_clock) begin
        if (write && write_ready) formal_in <= formal_in + 1;
        if (write && write_ready && formal_in == formal_number) formal_word <= write_data;
        if ((write & ready) && written[$bits(written)-2:0] == formal_number[$bits(written)-2:0])
            formal_stored <= write_data;
    end
    always @(posedge read_clock) if (read && read_valid) formal_out <= formal_out + 1;
    always @* if (taken[$bits(written)-2:0] == formal_number[$bits(written)-2:0])
        assume (memory$read_data$0 == formal_stored);

    wire [$bits(written)-1:0] formal_length = formal_in - formal_out;
    wire [$bits(written)-1:0] formal_ahead = formal_number - formal_out;
    always @* begin
        assert (formal_length <= formal_room);
        if (read_valid) assert (formal_length != 0);
        if (write_ready) assert (formal_length != formal_room);
        if (read_valid && formal_out == formal_number) assert (read_data == formal_word);
    end

    // Induction: what holds between the registers, so that the proof needs no bound. A count on its way is one between what the
    // other side has seen of it and what it is.
    function automatic [$bits(written)-1:0] formal_count(input [$bits(written)-1:0] gray);
        for (int i = 0; i < $bits(written); i = i + 1) formal_count[i] = ^(gray >> i);
    endfunction
    wire [$bits(written)-1:0] formal_written_first = formal_count(written_first) - taken;
    wire [$bits(written)-1:0] formal_written_late = formal_count(formal_written_before) - taken;
    wire [$bits(written)-1:0] formal_taken_late = written - formal_count(formal_taken_before);
    wire [$bits(written)-1:0] formal_written_seen = formal_count(written_seen) - taken;
    wire [$bits(written)-1:0] formal_taken_first = written - formal_count(taken_first);
    wire [$bits(written)-1:0] formal_taken_seen = written - formal_count(taken_seen);
    always @* begin
        assert (written == formal_in && taken == formal_out);
        assert (formal_count(written_gray) == written && formal_count(taken_gray) == taken);
        assert (formal_written_seen <= formal_written_first && formal_written_first <= formal_written_late);
        assert (formal_written_late <= formal_length && formal_length <= formal_written_late + 1);
        assert (formal_length <= formal_taken_late && formal_taken_late <= formal_length + 1);
        assert (formal_taken_late <= formal_taken_first && formal_taken_first <= formal_taken_seen);
        assert (formal_taken_seen <= formal_room);
        if (formal_ahead < formal_length) assert (formal_stored == formal_word);
    end
