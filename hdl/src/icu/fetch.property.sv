    // Instruction after instruction is shown as it was written, none left out and none twice: shown for an arbitrary one.

    // The place of the next instruction, counted by activations alone, and the cycles for which it has stood.
    logic [$bits(place)-1:0] formal_place;
    logic [$bits(place)-1:0] formal_body;
    logic [2:0] formal_age;
    logic [$bits(blocks)-1:0] formal_blocks;
    wire formal_ready = formal_age >= 3 && formal_blocks == blocks;
    initial begin
        formal_place = 0;
        formal_body = 0;
        formal_age = 0;
        formal_blocks = 0;
    end
    wire formal_returns = opcode == code_end_loop && again;
    always @(posedge clock) begin
        formal_blocks <= blocks;
        formal_age <= activate || rewind ? 0 : formal_blocks != blocks ? 1 : formal_age == 4 ? 4 : formal_age + 1;
        if (activate) begin
            formal_place <= formal_returns ? formal_body : formal_place + 1;
            if (opcode == code_loop) formal_body <= formal_place + 1;
        end
        if (rewind) formal_place <= 0;
    end

    // `icu/queue.property.sv`: nothing is activated before it is ready, nor after an illegal instruction.
    always @* if (activate) assume (formal_ready && formal_place <= depth);

    // The program. `primitives/queue_store.property.sv`: the instruction chosen stands at its place, and none changes while it is fetched.
    (* anyconst *) logic [$bits(place)-2:0] formal_index;
    (* anyconst *) logic [63:0] formal_control;
    (* anyconst *) logic [63:0] formal_part;
    logic [$bits(place)-1:0] formal_last_place;
    logic [63:0] formal_last_control;
    always @(posedge clock) begin
        formal_last_place <= place;
        formal_last_control <= control;
    end
    wire formal_here = place[$bits(place)-2:0] == formal_index;
    always @* begin
        if (formal_here) assume (control == formal_control && store$part$2 == formal_part);
        if (formal_age != 0 && place == formal_last_place) assume (control == formal_last_control);
    end
    // `icu/affine.property.sv`: its delay and its count at this position follow in three cycles.
    (* anyconst *) logic [20:0] formal_delay;
    (* anyconst *) logic [20:0] formal_count;
    // They stand for a cycle after the activation, as what they are made of stood before it.
    logic formal_taken;
    initial formal_taken = 0;
    always @(posedge clock) formal_taken <= activate && place == {1'b0, formal_index};
    always @* if ((formal_ready && formal_here) || formal_taken)
        assume (delay$less_one == formal_delay && count$less_one == formal_count);

    // How often it was activated since the program began, which is once where no loop returns to it.
    logic formal_straight;
    logic [1:0] formal_times;
    initial begin
        formal_straight = 1;
        formal_times = 0;
    end
    always @(posedge clock) begin
        if (activate) begin
            formal_times <= formal_times + (place == {1'b0, formal_index} && formal_times != 3);
            if (formal_returns) formal_straight <= 0;
        end
        if (rewind) begin
            formal_straight <= 1;
            formal_times <= 0;
        end
    end

    wire [3:0] formal_code = formal_control[3:0];
    wire formal_meets = formal_code == code_sync || formal_code == code_end_loop;
    logic formal_issues;
    logic formal_illegal;
    always @* begin
        case (formal_code) `FORMAL_ISSUING_CODES: formal_issues = 1; default: formal_issues = 0; endcase
        case (formal_code) `FORMAL_LEGAL_CODES: formal_illegal = 0; default: formal_illegal = 1; endcase
    end
    always @* begin
        assert (place == formal_place);
        if (formal_straight) assert (formal_times == (place > {1'b0, formal_index} ? 2'h1 : 2'h0));
        if (formal_ready && place == {1'b0, formal_index}) begin
            assert (opcode == formal_code && part$1 == formal_part);
            assert (issues == formal_issues && loops == (formal_code == code_loop));
            assert (meets == formal_meets && ends == (formal_code == code_end) && illegal == formal_illegal);
            assert (interval_less_one == (formal_control[63:56] == 0 ? 0 : formal_control[63:56] - 1));
            assert (delay_less_one == formal_delay && count_less_one == formal_count);
        end
        if (formal_taken) assert (part$1 == formal_part && count_less_one == formal_count);
        if (formal_ready && place >= depth) assert (illegal && !issues && !loops && !meets && !ends);
    end

    // Induction: what holds between the registers, so that the proof needs no bound.
    always @* begin
        assert (body == formal_body);
        assert (places$0$q == place[$bits(place)-2:0] && places$2$q == place[$bits(place)-2:0]);
        assert (formal_place <= depth + 1 && formal_body <= depth + 1);
        if (formal_ready) assert (issues + loops + meets + ends + illegal <= 1);
    end
