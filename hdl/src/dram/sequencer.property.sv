    // The commands of a granule and of a refresh come in their cycles and no others, and keep an arbitrary bank's states: it is opened when it
    // is closed, read or written once when it is open for long enough, closed by that, and refreshed when it is closed.

    // Bits of a burst's and a granule's cycles: both are powers of two.
    localparam logic [7:0] formal_burst = {5'h0, burst_last} + 8'h1;
    localparam logic [7:0] formal_granule = ({5'h0, bank_last} + 8'h1) * formal_burst;
    (* anyconst *) logic [2:0] formal_bank;
    // Cycles from activation to access on the chip that is proved, `nano-sdram`.
    localparam logic [7:0] formal_column = 8'h1;

    // Cycles since a slot's strobe came out of its delay, and since a refresh's did. The delays are as long as they are built (tested), so that
    // strobes keep the distances that they had.
    wire formal_take = take_later$y;
    wire formal_refresh = refresh_later$y;
    logic formal_any_take, formal_any_refresh;
    logic [7:0] formal_since_take, formal_since_refresh;
    // The bank by its commands on the bus.
    logic formal_open, formal_opened;
    logic [7:0] formal_age;
    initial begin
        formal_any_take = 0;
        formal_any_refresh = 0;
        formal_since_take = 0;
        formal_since_refresh = 0;
        formal_open = 0;
        formal_opened = 0;
        formal_age = 0;
    end
    wire formal_activates = ras && !cas;
    wire formal_accesses = cas && !ras;
    wire formal_refreshes = ras && cas;
    always @(posedge clock) begin
        if (formal_since_take != 8'hff) formal_since_take <= formal_since_take + 8'h1;
        if (formal_since_refresh != 8'hff) formal_since_refresh <= formal_since_refresh + 8'h1;
        if (formal_age != 8'hff) formal_age <= formal_age + 8'h1;
        if (formal_take) begin
            formal_any_take <= 1;
            formal_since_take <= 8'h1;
        end
        if (formal_refresh) begin
            formal_any_refresh <= 1;
            formal_since_refresh <= 8'h1;
        end
        if (formal_activates && bank == formal_bank) begin
            formal_open <= 1;
            formal_opened <= 1;
            formal_age <= 8'h1;
        end
        if (formal_accesses && bank == formal_bank) formal_open <= 0;
    end
    // Cycles from that strobe to the bank's activation on the bus.
    wire [7:0] formal_place = {5'h0, formal_bank} * formal_burst + 8'h2;
    always @* begin
        assume (formal_bank <= bank_last);
        // As `dram/frames.property.sv` proves of slots and refreshes; a refresh's strobe leaves its delay a cycle later than a slot's.
        if (formal_take) assume (!formal_any_take || formal_since_take >= formal_granule);
        if (formal_take) assume (!formal_any_refresh || formal_since_refresh >= 8'h3);
        if (formal_refresh) assume (!formal_any_take || formal_since_take >= formal_granule + 8'h4);
        if (formal_refresh) assume (!formal_take);

        // What each cycle of the bus is.
        assert (formal_activates == (formal_any_take && formal_since_take >= 8'h2
            && formal_since_take < formal_granule + 8'h2 && ((formal_since_take - 8'h2) & (formal_burst - 8'h1)) == 0));
        if (formal_activates) assert ({5'h0, bank} * formal_burst + 8'h2 == formal_since_take);
        assert (formal_refreshes == (formal_any_refresh && formal_since_refresh == 8'h1));
        assert (!we || (formal_accesses && drive));
        // The bank's states.
        if (formal_activates && bank == formal_bank) assert (!formal_open);
        if (formal_activates && bank == formal_bank && formal_opened) assert (formal_age >= formal_granule);
        if (formal_activates && formal_any_refresh) assert (formal_since_refresh >= 8'h5);
        if (formal_accesses && bank == formal_bank) assert (formal_open && formal_age == formal_column);
        if (formal_open && formal_age == formal_column) assert (formal_accesses && bank == formal_bank);
        if (formal_refreshes) assert (!formal_open);
    end
    // Induction: what holds between the registers, so that the proof needs no bound.
    wire [7:0] formal_position = {5'h0, bank_now} * formal_burst + {5'h0, beat};
    always @* begin
        assert (active == (formal_any_take && formal_since_take <= formal_granule));
        assert (!formal_any_take || formal_since_take != 0);
        assert (!formal_any_refresh || formal_since_refresh != 0);
        if (active) assert (formal_position == formal_since_take - 8'h1 && beat <= burst_last && bank_now <= bank_last);
        if (!formal_any_take) assert (!formal_opened);
        else if (formal_since_take > formal_place) begin
            assert (formal_opened);
            if (formal_since_take != 8'hff) assert (formal_age == formal_since_take - formal_place);
            else assert (formal_age >= 8'hff - formal_place);
        end else if (formal_opened) assert (formal_age >= formal_granule + formal_since_take - formal_place);
        assert (formal_open == (formal_opened && formal_age <= formal_column));
        assert (!formal_opened || formal_age != 0);
    end
