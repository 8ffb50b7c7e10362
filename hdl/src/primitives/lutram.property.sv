    // A memory keeps what was written: shown for an arbitrary address.
    (* anyconst *) logic [$bits(write_address)-1:0] formal_address;
    logic [$bits(write_data)-1:0] formal_word; // what was written there last
    initial formal_word = 0;
    always @(posedge clock)
        if (write_enable && write_address == formal_address) formal_word <= write_data;
    always @* if (read_address$0 == formal_address) assert (read_data$0 == formal_word);

    // Induction: what holds between the registers, so that the proof needs no bound.
    always @* assert (words[formal_address] == formal_word);
