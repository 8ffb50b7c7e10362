    // Instruction memory keeps what was written: shown for the part with the timing of an arbitrary instruction.
    (* anyconst *) logic [$bits(write_index$0)-1:0] formal_index;
    logic [63:0] formal_word; // what was written there last
    initial formal_word = 0;
    always @(posedge clock)
        if (write$0 && write_index$0 == formal_index) formal_word <= write_data;
    always @* if (read_index$0 == formal_index) assert (part$0 == formal_word);

    // Induction: what holds between the registers, so that the proof needs no bound.
    always @* assert (words_0[formal_index] == formal_word);
