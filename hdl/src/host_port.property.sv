    // The protocol read from the accepted bytes alone: a header of seven, then words of nine.
    wire formal_accepts = in_valid && in_ready;
    wire formal_sends = out_valid && out_ready;
    logic [71:0] formal_bytes;      // the bytes of the header or word so far, the first lowest
    logic [3:0] formal_count;       // how many
    logic formal_in_words;          // a command is under way
    logic formal_writes;
    logic [7:0] formal_space;
    logic [23:0] formal_address;    // of the word under way
    logic [15:0] formal_left;       // words under way and to come
    logic formal_complete;          // the word under way can be executed: all its bytes are here, or it is read
    logic formal_known;             // a header of a known command with a word or more came last
    logic formal_decides;           // seven bytes are complete
    initial begin
        formal_bytes = 0;
        formal_count = 0;
        formal_in_words = 0;
        formal_writes = 0;
        formal_space = 0;
        formal_address = 0;
        formal_left = 0;
        formal_complete = 0;
        formal_decides = 0;
    end
    wire [7:0] formal_command = formal_bytes[7:0];
    wire formal_is_write = formal_command == command_write;
    wire formal_is_read = formal_command == command_read;

    // What may be accessed, decided in the cycle before, as the instruction set says.
    wire formal_is_memory = formal_space == space_weights || formal_space == space_kv || formal_space == space_vmem;
    wire formal_is_queue = formal_space == space_matrix_queue || formal_space == space_vector_queue;
    wire formal_inside =
        formal_space == space_weights ? formal_address < weights_words[23:0] :
        formal_space == space_kv ? formal_address < kv_words[23:0] :
        formal_space == space_vmem ? formal_address < vmem_words[23:0] :
        formal_space == space_matrix_queue ? formal_address < matrix_queue_words[23:0] :
        formal_address < vector_queue_words[23:0];
    wire formal_may =
        formal_space == space_registers ? 1'b1 :
        formal_is_memory ? formal_inside && !running :
        formal_is_queue ? formal_inside && !running && formal_writes :
        formal_space == space_tokens_in ? formal_writes && !prompt_full :
        formal_space == space_tokens_out ? !formal_writes : 1'b0;
    logic formal_may_before;
    initial formal_may_before = 0;
    always @(posedge clock) formal_may_before <= formal_may;

    // A word is looked at for two cycles if it is read, then checked, then executed; its strobe comes a cycle later.
    logic [4:0] formal_age;
    initial formal_age = 0;
    wire formal_executes = formal_complete && formal_age == (formal_writes ? 5'd1 : 5'd3);
    wire formal_answers = formal_complete && !formal_writes && formal_age == 5'(read_wait) + 5'd5;
    logic [71:0] formal_answer;
    logic [3:0] formal_sent;
    logic formal_allowed;
    initial begin
        formal_answer = 0;
        formal_sent = 0;
        formal_allowed = 0;
    end
    wire formal_word_ends = formal_writes ? formal_executes : formal_sends && formal_sent == word_last;
    always @(posedge clock) begin
        if (formal_accepts) begin
            formal_bytes[{formal_count, 3'h0} +: 8] <= in_data;
            formal_count <= formal_count + 1;
            if (!formal_in_words && formal_count == header_last) begin
                formal_decides <= 1;
                formal_count <= 0;
            end
            if (formal_in_words && formal_count == word_last) begin
                formal_complete <= 1;
                formal_age <= 0;
                formal_count <= 0;
            end
        end
        if (formal_decides) begin
            formal_decides <= 0;
            formal_writes <= formal_is_write;
            formal_space <= formal_bytes[15:8];
            formal_address <= formal_bytes[39:16];
            formal_left <= formal_bytes[55:40];
            formal_in_words <= (formal_is_write || formal_is_read) && formal_bytes[55:40] != 0;
            formal_complete <= formal_is_read && formal_bytes[55:40] != 0;
            formal_age <= 0;
        end
        if (formal_complete && !formal_answers) formal_age <= formal_age + 1;
        if (formal_executes) formal_allowed <= formal_may_before;
        if (formal_complete && !formal_writes && formal_age == 5'(read_wait) + 5'd3) begin
            formal_answer <= !formal_allowed ? 72'h0
                : formal_space == space_weights || formal_space == space_kv ? matrix_word
                : formal_space == space_vmem ? vmem_word
                : formal_space == space_tokens_out ? {8'h0, record_word} : {8'h0, register_word};
            formal_sent <= 0;
        end
        if (formal_sends) formal_sent <= formal_sent + 1;
        if (formal_word_ends) begin
            formal_left <= formal_left - 1;
            formal_address <= formal_address + 1;
            formal_in_words <= formal_left != 1;
            formal_complete <= !formal_writes && formal_left != 1;
            formal_age <= 0;
        end
    end

    // The word executed in the cycle before.
    logic formal_strobes;
    logic formal_of_write;
    logic [7:0] formal_at_space;
    logic [23:0] formal_at_address;
    logic [71:0] formal_word;
    initial begin
        formal_strobes = 0;
        formal_of_write = 0;
        formal_at_space = 0;
        formal_at_address = 0;
        formal_word = 0;
    end
    always @(posedge clock) begin
        // A register is read without a strobe: reading it changes nothing.
        formal_strobes <= formal_executes && formal_may_before && (formal_writes || formal_space != space_registers);
        formal_of_write <= formal_writes;
        formal_at_space <= formal_space;
        formal_at_address <= formal_address;
        formal_word <= formal_bytes;
    end
    wire [8:0] formal_all = {register_write, token_push, record_pop, matrix_write, matrix_read, vmem_write, vmem_read,
        matrix_queue_write, vector_queue_write};

    // Bytes are taken exactly while a header or a written word is incomplete, and sent exactly as answers, nine for each word
    // read. Each word is executed once, with its bytes and at its address, or refused; what is refused changes nothing and
    // is answered with zeros.
    always @* begin
        assert (in_ready == (!formal_decides && !formal_complete));
        assert (out_valid == formal_answers);
        if (out_valid) assert (out_data == 8'(formal_answer >> {formal_sent, 3'h0}));
        assert ((formal_all != 0) == formal_strobes);
        if (formal_strobes) begin
            assert (address == formal_at_address && (formal_all & (formal_all - 9'h1)) == 0);
            assert (register_write == (formal_at_space == space_registers));
            assert (token_push == (formal_at_space == space_tokens_in));
            assert (record_pop == (formal_at_space == space_tokens_out));
            assert ((matrix_write || matrix_read) == (formal_at_space == space_weights || formal_at_space == space_kv));
            assert ((vmem_write || vmem_read) == (formal_at_space == space_vmem));
            assert (matrix_queue_write == (formal_at_space == space_matrix_queue));
            assert (vector_queue_write == (formal_at_space == space_vector_queue));
            assert ((matrix_read || vmem_read || record_pop) != formal_of_write);
            if (matrix_write || matrix_read) assert (kv == (formal_at_space == space_kv));
            if (formal_of_write) assert (data == formal_word);
        end
    end
    logic formal_refused;
    initial formal_refused = 0;
    always @(posedge clock)
        formal_refused <= formal_executes && !formal_may_before || formal_decides && !formal_is_write && !formal_is_read;
    always @* assert (refused == formal_refused);

    // Induction: what holds between the registers, so that the proof needs no bound.
    always @* begin
        assert (formal_count <= (formal_in_words ? word_last : header_last));
        assert (formal_in_words || !formal_complete);
        assert (!formal_in_words || formal_writes || formal_complete);
        assert (!(formal_decides && formal_in_words));
        assert (formal_in_words == (formal_left != 0) || !formal_in_words);
        assert (formal_age <= 5'(read_wait) + 5'd5);
        if (formal_complete && formal_writes) assert (formal_age <= 1);
        if (formal_decides || formal_complete) assert (formal_count == 0);
        assert (phase == (formal_decides ? Phase$Decode
            : !formal_in_words ? Phase$Header
            : !formal_complete ? Phase$Word
            : formal_executes ? Phase$Execute
            : formal_age == (formal_writes ? 5'd0 : 5'd2) ? Phase$Check
            : formal_age < 2 ? Phase$Look
            : formal_answers ? Phase$Answer : Phase$Wait));
        if (in_ready) assert (bytes == formal_count);
        if (formal_answers) assert (bytes == formal_sent && formal_sent <= word_last);
        else if (!in_ready) assert (bytes == (phase == Phase$Look ? formal_age[3:0] : 4'h0));
        if (formal_in_words) begin
            assert (writes == formal_writes && space == formal_space && place == formal_address && left == formal_left);
        end
        if (formal_decides) assert (shift[71:16] == formal_bytes[55:0]);
        if (in_ready) assert (formal_count == 0 || shift >> (72 - 8 * formal_count) == (formal_bytes & ~(~72'h0 << 8 * formal_count)));
        if (formal_complete && formal_writes) assert (shift == formal_bytes);
        if (formal_executes) assert (allowed == formal_may_before);
        // What was allowed a cycle ago is one of the spaces, in a direction that it has.
        if (formal_executes && formal_may_before)
            assert (formal_space == space_tokens_out ? !formal_writes
                : formal_is_queue || formal_space == space_tokens_in ? formal_writes
                : formal_is_memory || formal_space == space_registers);
        if (formal_complete && formal_age > 3) assert (allowed == formal_allowed);
        if (formal_in_words && (formal_complete ? formal_writes || formal_age > 0 : formal_count > 0)) begin
            assert (is_registers == (space == space_registers) && is_tokens_in == (space == space_tokens_in));
            assert (is_tokens_out == (space == space_tokens_out) && is_weights == (space == space_weights));
            assert (is_kv == (space == space_kv) && is_vmem == (space == space_vmem));
            assert (is_matrix_queue == (space == space_matrix_queue) && is_vector_queue == (space == space_vector_queue));
        end
        if (formal_in_words && (formal_complete ? formal_writes || formal_age > 1 : formal_count > 1))
            assert (in_range == ((formal_is_memory || formal_is_queue) && formal_inside));
        if (formal_complete && !formal_writes && formal_age == 5'(read_wait) + 5'd4)
            assert (formal_sent == 0 && formal_answer == (formal_allowed ? answer : 72'h0));
        if (formal_complete && formal_age > 3 && !formal_answers)
            assert (waits_left == read_wait + 8'h4 - {3'h0, formal_age} && waited == (waits_left == 0));
        if (formal_answers) assert (shift == formal_answer >> {formal_sent, 3'h0});
    end
