//! The emitted Verilog of small modules, and what the emitter refuses.

use super::*;
use crate::dialect::*;

/// Adds a constant to its input and registers the sum, holding it while `hold` is set.
#[derive(LogicBlock)]
struct AddLane<const W: usize> {
    pub clock: Signal<In, Clock>,
    pub hold: Signal<In, Bit>,
    pub x: Signal<In, Bits<W>>,
    pub y: Signal<Out, Bits<W>>,
    step: Constant<Bits<W>>,
    sum: DFF<Bits<W>>,
    kind: Kind<Self>,
}

impl<const W: usize> AddLane<W> {
    fn new(step: u64) -> Self {
        Self {
            clock: Default::default(),
            hold: Default::default(),
            x: Default::default(),
            y: Default::default(),
            step: Constant::new(step.into()),
            sum: Default::default(),
            kind: Default::default(),
        }
    }
}

impl<const W: usize> Logic for AddLane<W> {
    #[hdl_gen]
    fn update(&mut self) {
        dff_setup!(self, clock, sum);
        if !self.hold.val() {
            self.sum.d.next = self.x.val() + self.step.val();
        }
        self.y.next = self.sum.q.val();
    }
}

/// Lanes in a row, each feeding the next.
#[derive(LogicBlock)]
struct Row<const LANES: usize> {
    pub clock: Signal<In, Clock>,
    pub x: Signal<In, Bits<8>>,
    pub y: Signal<Out, Bits<8>>,
    lane: [AddLane<8>; LANES],
    kind: Kind<Self>,
}

impl<const LANES: usize> Row<LANES> {
    fn new(steps: [u64; LANES]) -> Self {
        Self {
            clock: Default::default(),
            x: Default::default(),
            y: Default::default(),
            lane: steps.map(AddLane::new),
            kind: Default::default(),
        }
    }
}

impl<const LANES: usize> Logic for Row<LANES> {
    #[hdl_gen]
    fn update(&mut self) {
        for i in 0..LANES {
            self.lane[i].clock.next = self.clock.val();
            self.lane[i].hold.next = self.x.val() == 3;
        }
        self.lane[0].x.next = self.x.val();
        for i in 1..LANES {
            self.lane[i].x.next = self.lane[i - 1].y.val();
        }
        for i in (LANES - 1)..LANES {
            self.y.next = self.lane[i].y.val();
        }
    }
}

const LANE: &str = "module add_lane_8 (
    input  wire clock,
    input  wire hold,
    input  wire [7:0] x,
    output logic [7:0] y
);
    localparam logic [7:0] step = 8'h5;
    logic [7:0] sum$d;
    logic [7:0] sum;
    always_comb begin
        sum$d = sum;
        if (!hold) begin
            sum$d = x + step;
        end
    end
    assign y = sum;
    initial begin
        sum = 8'h0;
    end
    always_ff @(posedge clock) begin
        sum <= sum$d;
    end
endmodule
";

const ROW: &str = "module row (
    input  wire clock,
    input  wire [7:0] x,
    output logic [7:0] y
);
    logic [7:0] lane$0$y;
    logic [7:0] lane$1$y;
    add_lane_8 lane$0 (
        .clock(clock),
        .hold(x == 8'h3),
        .x(x),
        .y(lane$0$y)
    );
    add_lane_8 lane$1 (
        .clock(clock),
        .hold(x == 8'h3),
        .x(lane$0$y),
        .y(lane$1$y)
    );
    assign y = lane$1$y;
endmodule
";

#[test]
fn equal_lanes_become_one_readable_module() {
    let design = emit(&mut Row::new([5, 5]), "row").unwrap();
    assert_eq!(design.verilog(), format!("{LANE}\n{ROW}"));
    assert_eq!(design.inputs, [Port::new("clock", 1), Port::new("x", 8)]);
    assert_eq!(design.outputs, [Port::new("y", 8)]);
}

#[test]
fn lanes_that_differ_stay_apart_and_the_text_is_stable() {
    let first = emit(&mut Row::new([5, 6, 5]), "row").unwrap();
    assert_eq!(first.verilog().matches("\nmodule ").count() + 1, 3, "{}", first.verilog());
    assert!(first.verilog().contains("add_lane_8_2 lane$1 ("), "{}", first.verilog());
    assert_eq!(first, emit(&mut Row::new([5, 6, 5]), "row").unwrap());
}

/// Fails in the ways that a kernel can fail.
#[derive(LogicBlock, Default)]
struct Faulty<const W: usize> {
    pub x: Signal<In, Bits<8>>,
    pub y: Signal<Out, Bits<8>>,
    kind: Kind<Self>,
}

impl<const W: usize> Logic for Faulty<W> {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = self.x.val() + W.to_bits();
    }
}

#[derive(LogicBlock, Default)]
struct Opened {
    pub y: Signal<Out, Bit>,
    flag: DFF<Bit>,
}

impl Logic for Opened {
    #[hdl_gen]
    fn update(&mut self) {
        self.y.next = self.flag.q.val();
    }
}

#[test]
fn faults_are_told_to_the_user() {
    let constant = emit(&mut Faulty::<3>::default(), "faulty").unwrap_err();
    assert_eq!(
        constant.to_string(),
        "`W` in the kernel of `faulty_3` is no signal: Rust constants do not reach the Verilog, put the value in a \
         `Fixed` or `Setting` field"
    );
    let open = emit(&mut Opened::default(), "opened").unwrap_err();
    assert_eq!(
        open.to_string(),
        "nothing drives opened.flag.d, opened.flag.clock: assign each in every kernel path"
    );
}

#[derive(Copy, Clone, PartialEq, Debug, LogicState)]
enum Phase {
    Idle,
    Busy,
    Done,
}

/// Every kind of expression that a kernel may hold.
#[derive(LogicBlock, Default)]
struct Expressions {
    pub clock: Signal<In, Clock>,
    pub a: Signal<In, Bits<16>>,
    pub b: Signal<In, Bits<16>>,
    pub bus: Signal<In, Bits<64>>,
    pub narrow: Signal<Out, Bits<8>>,
    pub wide: Signal<Out, Bits<24>>,
    pub mixed: Signal<Out, Bits<16>>,
    pub lane: Signal<Out, Bits<16>>,
    pub flags: Signal<Out, Bit>,
    pub busy: Signal<Out, Bit>,
    phase: DFF<Phase>,
    part: [Signal<Local, Bits<16>>; 4],
}

impl Logic for Expressions {
    #[hdl_gen]
    fn update(&mut self) {
        self.narrow.next = bit_cast::<8, 16>(self.a.val() + self.b.val());
        self.wide.next = bit_cast::<24, 16>(self.a.val());
        self.mixed.next = (self.a.val() & 0xFF) | (self.b.val() << 8) ^ !self.a.val();
        for i in 0..4 {
            self.part[i].next = self.bus.val().get_bits::<16>(i * 16);
        }
        self.lane.next = self.part[3].val() - self.part[1].val();
        self.flags.next =
            self.a.val().any() && !self.b.val().get_bit(2) && (self.a.val() & self.b.val() == 4);
        dff_setup!(self, clock, phase);
        self.busy.next = false;
        match self.phase.q.val() {
            Phase::Idle => {
                self.busy.next = self.a.val().any();
                if self.a.val() == self.b.val() {
                    self.phase.d.next = Phase::Busy;
                }
            }
            Phase::Busy => {
                self.busy.next = true;
                self.phase.d.next = Phase::Done;
            }
            Phase::Done => {
                self.phase.d.next = Phase::Idle;
            }
            _ => {}
        }
    }
}

#[test]
fn expressions_carry_their_widths_and_parentheses() {
    let text = emit(&mut Expressions::default(), "expressions").unwrap().verilog();
    for line in [
        "assign narrow = 8'(a + b);",
        "assign wide = {8'h0, a};",
        "assign mixed = (a & 16'hff) | ((b << 8) ^ (~a));",
        "assign part$3 = bus[63:48];",
        "assign lane = part$3 - part$1;",
        "assign flags = ((|a) && (!b[2])) && ((a & b) == 16'h4);",
        "localparam logic [1:0] Phase$Busy = 2'h1;",
        "phase$d = Phase$Done;",
        "default: begin",
    ] {
        assert!(text.contains(line), "`{line}` is missing from\n{text}");
    }
}

/// Takes a lane out of a bus whose lane width is a parameter.
#[derive(LogicBlock)]
struct Second<const W: usize, const TOTAL: usize> {
    pub bus: Signal<In, Bits<TOTAL>>,
    pub lane: Signal<Out, Bits<W>>,
    stride: Constant<Bits<32>>,
}

impl<const W: usize, const TOTAL: usize> Logic for Second<W, TOTAL> {
    #[hdl_gen]
    fn update(&mut self) {
        for i in 1..2 {
            self.lane.next = self.bus.val().get_bits::<W>(i * self.stride.val().index());
        }
    }
}

#[test]
fn a_slice_offset_may_come_from_a_constant() {
    let stride = Constant::new(18.into());
    let mut block = Second::<18, 288> { bus: Signal::default(), lane: Signal::default(), stride };
    let text = emit(&mut block, "second").unwrap().verilog();
    assert!(text.contains("assign lane = bus[35:18];"), "{text}");
}
