    // Instruction memory keeps what was written: shown for the lower half of the part with the timing, of an arbitrary
    // instruction; every bank has the same text.
    localparam formal_bits = $clog2($size(words_0));
    (* anyconst *) logic [formal_bits-1:0] formal_index;
    logic [31:0] formal_word; // what was written there last
    initial formal_word = 0;
    always @(posedge clock)
        if (write$0 && write_index$0[formal_bits-1:0] == formal_index) formal_word <= write_data[31:0];
    always @* if (read_index$0[formal_bits-1:0] == formal_index) assert (part$0 == {32'h0, formal_word});

    // Induction: what holds between the registers, so that the proof needs no bound.
    always @* assert (words_0[formal_index] == formal_word);
