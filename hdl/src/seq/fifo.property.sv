    // Words leave a queue in the order in which they came, none lost and none made up: shown for an arbitrary word.

    // An arbitrary place of the memory. `primitives/lutram.property.sv` proves of every place what is assumed of this one.
    (* anyconst *) logic [$bits(written)-1:0] formal_place;
    logic [$bits(word)-1:0] formal_stored;
    initial formal_stored = 0;
    always @(posedge clock)
        if (pushes && written == formal_place) formal_stored <= word;
    always @* if (taken == formal_place) assume (memory$read_data$0 == formal_stored);

    // The rules of a queue in numbers alone: a push comes in while there is room, a pop takes while there is a word.
    localparam int formal_room = 1 << $bits(written);
    logic [$bits(written):0] formal_length;
    wire formal_in = push && formal_length != formal_room;
    wire formal_out = pop && formal_length != 0;

    // The chosen word, and how many leave before it.
    (* anyseq *) logic formal_choose;
    logic formal_chosen;
    logic [$bits(word)-1:0] formal_word;
    logic [$bits(written):0] formal_before;
    initial begin
        formal_length = 0;
        formal_chosen = 0;
        formal_word = 0;
        formal_before = 0;
    end
    always @(posedge clock) begin
        formal_length <= clear ? 0 : formal_length + formal_in - formal_out;
        if (formal_chosen && formal_out) begin
            formal_before <= formal_before - 1;
            formal_chosen <= formal_before != 0;
        end
        if (!formal_chosen && formal_choose && formal_in && written == formal_place) begin
            formal_chosen <= 1;
            formal_word <= word;
            formal_before <= formal_length - formal_out;
        end
        if (clear) formal_chosen <= 0;
    end
    always @* begin
        assert (empty == (formal_length == 0));
        assert (full == (formal_length == formal_room));
        if (formal_chosen && formal_before == 0) assert (!empty && head == formal_word);
    end

    // Induction: what holds between the registers, so that the proof needs no bound.
    always @* begin
        assert ($bits(written)'(written - taken) == formal_length[$bits(written)-1:0]);
        assert (formal_length <= formal_room);
        assert (some == (formal_length != 0));
        if (formal_chosen) begin
            assert (formal_before < formal_length);
            assert ($bits(written)'(taken + formal_before) == formal_place);
            assert (formal_stored == formal_word);
        end
    end
