//! Formal proofs of the control logic, by SymbiYosys and z3, on the Verilog of the chip itself.
//!
//! A property lies beside its module, in a file `*.property.sv`, as text that is put inside the module it speaks of, since the
//! open Yosys has no `bind`. Each is
//! proved by induction, so for runs of any length, and then must fail on planted bugs: a proof that cannot fail proves nothing.
//! What a property assumes of the modules around it is asserted by the property of that module, which the text names.

mod formal_tools;

use formal_tools::{Tools, Verdict, decide, tools};
use lpu_hdl::dram::phy::SdrPhy;
use lpu_hdl::dram::shape::{Part, Shape};
use lpu_hdl::dram::slice::DramSlice;
use lpu_hdl::emit::{Design, Module, emit};
use lpu_hdl::icu::Icu;
use lpu_hdl::soc::AsyncFifo;
use lpu_isa::Geometry;
use lpu_isa::instruction::{On, Queue, TABLE};
use std::sync::OnceLock;

/// Begins the part of a property that only induction needs; planted bugs must show without it.
const INDUCTION: &str = "    // Induction:";

/// A module with a property.
struct Proof {
    /// File of the property in `hdl/src`.
    property: &'static str,
    module: &'static str,
    /// Modules inside of which nothing is known but what the property assumes.
    cut: &'static [&'static str],
    /// Cycles that an induction step looks back.
    steps: usize,
}

/// In the place of a register that catches the other clock's count: it may catch each bit before or after a change.
const METASTABLE: [Bug; 3] = [
    ("logic ready;\n", "logic ready;\n    wire [2:0] formal_written_caught, formal_taken_caught;\n"),
    ("written_first$d = written_gray;", "written_first$d = formal_written_caught;"),
    ("taken_first$d = taken_gray;", "taken_first$d = formal_taken_caught;"),
];

/// A planted bug: what stands in the module, and what instead.
type Bug = (&'static str, &'static str);

/// The chip, a queue between two clocks, the slice of external memory and the queues of a chip that has it.
fn designs() -> &'static [Design; 4] {
    static DESIGNS: OnceLock<[Design; 4]> = OnceLock::new();
    DESIGNS.get_or_init(|| {
        let chip = lpu_hdl::chip::emit(&Geometry::NANO, "lpu").expect("the chip is emitted");
        let queue = emit(&mut AsyncFifo::<2, 3, 8>::default(), "async_fifo").expect("the queue is emitted");
        // Queues as deep as the widths of the on-chip chips allow.
        let small = Geometry { matrix_queue_depth: 128, vector_queue_depth: 128, ..Geometry::NANO_SDRAM };
        let shape = Shape::new(&small, &Part::SDR_32MB);
        let mut slice = DramSlice::new(&small, &shape, SdrPhy::READ_LATENCY);
        let slice = emit(&mut slice, "dram").expect("the slice is emitted");
        [chip, queue, slice, emit(&mut Icu::new(&small), "queues").expect("the queues are emitted")]
    })
}

/// A module and those inside of it, each once and before its users.
fn closure(name: &str) -> Vec<&'static Module> {
    let found = designs().iter().map(|design| design.closure(name)).find(|modules| !modules.is_empty());
    found.unwrap_or_else(|| {
        panic!("the chip has no module `{name}`: give the proof the name that it has in the emitted Verilog")
    })
}

/// The codes of operations of a module's queue, as a case label.
fn codes(module: &str, issuing: bool) -> String {
    let named = |queue: &Queue| module.starts_with(&queue.to_string());
    let queue = Queue::ALL.into_iter().find(named).unwrap_or(Queue::Matrix);
    let rows = TABLE.iter().filter(|row| row.on.includes(queue) && !(issuing && row.on == On::All));
    rows.map(|row| format!("4'h{:x}", row.code)).collect::<Vec<_>>().join(", ")
}

impl Proof {
    fn property(&self) -> String {
        let path = format!("{}/src/{}.property.sv", env!("CARGO_MANIFEST_DIR"), self.property);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The text to be proved: the module with its property and, perhaps, a bug.
    fn text(&self, property: &str, bug: Option<&Bug>) -> String {
        let mut text = format!(
            "`define FORMAL_LEGAL_CODES {}\n`define FORMAL_ISSUING_CODES {}\n",
            codes(self.module, false),
            codes(self.module, true)
        );
        if self.module.starts_with("transfer") {
            text += "`define FORMAL_SLOTS\n";
        }
        for module in closure(self.module) {
            if module.name != self.module {
                text += &module.to_string();
                continue;
            }
            let mut module = module.clone();
            let crossing = if module.name == "async_fifo" { &METASTABLE[..] } else { &[] };
            for (from, to) in crossing.iter().chain(bug) {
                assert!(
                    module.body.contains(from),
                    "`{}` has no text `{from}` to plant a bug in",
                    module.name
                );
                module.body = module.body.replacen(from, to, 1);
            }
            text += &module.verilog_with(property);
        }
        text
    }

    fn check(&self, tools: &Tools) {
        let verdict =
            decide(tools, &self.text(&self.property(), None), self.module, self.cut, "prove", self.steps);
        assert!(matches!(verdict, Verdict::Proved), "`{}` is not proved: {verdict:?}", self.module);
    }

    /// Within some cycles from power-up the bug breaks what the property says of the ports.
    fn refute(&self, tools: &Tools, bug: &Bug, cycles: usize) {
        let property = self.property();
        let (of_ports, _) = property.split_once(INDUCTION).expect("the property has its induction");
        let verdict = decide(tools, &self.text(of_ports, Some(bug)), self.module, self.cut, "bmc", cycles);
        assert!(matches!(verdict, Verdict::Refuted(_)), "the bug {bug:?} of `{}`: {verdict:?}", self.module);
    }
}

/// Proves a property of each module, and that each bug planted in the first is found within some cycles.
fn prove(proofs: &[Proof], bug_cycles: usize, bugs: &[Bug]) {
    let Some(tools) = tools() else { return };
    proofs.iter().for_each(|proof| proof.check(&tools));
    bugs.iter().for_each(|bug| proofs[0].refute(&tools, bug, bug_cycles));
}

#[test]
fn memories_keep_what_was_written() {
    let proof = |module| Proof { property: "primitives/lutram", module, cut: &[], steps: 1 };
    let bug = ("if (write_enable)", "if (write_enable && write_address != 6'h5)");
    prove(&[proof("lut_ram_6_16_1"), proof("lut_ram_6_64_1")], 3, &[bug]);
    let proof = |module| Proof { property: "primitives/queue_store", module, cut: &[], steps: 1 };
    prove(
        &[proof("matrix_store"), proof("vector_store"), proof("transfer_store")],
        3,
        &[("words_0[write_index$0[", "words_0[write_index$1[")],
    );
}

#[test]
fn prompt_and_records_leave_their_queues_in_order() {
    let proofs = [
        Proof { property: "seq/fifo", module: "fifo_6_16", cut: &["lut_ram_6_16_1"], steps: 1 },
        Proof { property: "seq/fifo", module: "fifo_6_64", cut: &["lut_ram_6_64_1"], steps: 1 },
    ];
    let bugs = [
        ("assign pops = pop & some;", "assign pops = pop;"),
        ("taken$d = taken + 6'h1;", "taken$d = taken + 6'h2;"),
    ];
    prove(&proofs, 6, &bugs);
}

#[test]
fn words_cross_between_any_two_clocks() {
    let proof = Proof { property: "soc/async_fifo", module: "async_fifo", cut: &["lut_ram_2_8_1"], steps: 2 };
    let memory = Proof { property: "primitives/lutram", module: "lut_ram_2_8_1", cut: &[], steps: 1 };
    let bugs = [
        ("written_gray$d = written_next ^ (written_next >> 1);", "written_gray$d = written_next;"),
        ("if (read & valid)", "if (read)"),
        ("opposite = 3'h6", "opposite = 3'h7"),
    ];
    prove(&[proof, memory], 24, &bugs);
}

#[test]
fn delays_and_counts_follow_the_position() {
    let proof = |module| Proof { property: "icu/affine", module, cut: &["multiplier"], steps: 1 };
    prove(&[proof("affine_12"), proof("affine_8")], 5, &[("held - 21'h1", "wide_constant$y - 21'h1")]);
}

#[test]
fn instructions_are_fetched_in_order_none_lost_and_none_twice() {
    let cut: [&[&str]; 3] = [
        &["matrix_store", "affine_12", "affine_8"],
        &["vector_store", "affine_12", "affine_8"],
        &["transfer_store", "affine_12", "affine_8"],
    ];
    let proof = |module, cut| Proof { property: "icu/fetch", module, cut, steps: 4 };
    let bugs = [
        ("next_place = place + 8'h1;", "next_place = place + 8'h2;"),
        ("next_place = place + 8'h1;", "next_place = place;"),
        ("code == legal_codes$0", "code == 4'h7"),
    ];
    let modules = ["matrix_fetch", "vector_fetch", "transfer_fetch"];
    let proofs: Vec<Proof> = modules.into_iter().zip(cut).map(|(module, cut)| proof(module, cut)).collect();
    prove(&proofs, 10, &bugs);
}

#[test]
fn issues_come_in_their_cycles_and_in_their_number() {
    let proof = Proof { property: "icu/timer", module: "timer", cut: &[], steps: 1 };
    let bugs =
        [("left$d = count - 21'h1;", "left$d = count;"), ("zero$d = interval_zero;", "zero$d = 1'h0;")];
    prove(&[proof], 6, &bugs);
}

#[test]
fn loops_make_their_trips() {
    let proof = Proof { property: "icu/trips", module: "trips", cut: &[], steps: 1 };
    prove(&[proof], 10, &[("left$d = left - 21'h1;", "left$d = left;")]);
}

#[test]
fn each_instruction_is_activated_once_and_in_time() {
    let proofs = [
        Proof { property: "icu/queue", module: "matrix_queue", cut: &["matrix_fetch"], steps: 1 },
        Proof { property: "icu/queue", module: "vector_queue", cut: &["vector_fetch"], steps: 1 },
        Proof {
            property: "icu/queue",
            module: "transfer_queue",
            cut: &["transfer_fetch", "slot_timer"],
            steps: 1,
        },
    ];
    let bugs = [
        ("age$d = age_activated;", "age$d = age_started;"),
        ("wanted$d = 1'h1;", "wanted$d = wanted;"),
        ("wanted$d = 1'h0;", "wanted$d = wanted;"),
    ];
    prove(&proofs, 10, &bugs);
}

#[test]
fn refreshes_and_slots_come_in_their_cycles() {
    let proof = Proof { property: "dram/frames", module: "frames", cut: &[], steps: 1 };
    let bugs = [
        ("to_slot$d = granule_last;", "to_slot$d = first_slot;"),
        ("(left == before_refresh) & (!restart)", "left == before_refresh"),
        ("slots_left$d = slots;", "slots_left$d = slots_left;"),
    ];
    prove(&[proof], 60, &bugs);
}

#[test]
fn transfers_take_each_slot_once() {
    let proof = Proof { property: "icu/slot_timer", module: "slot_timer", cut: &[], steps: 1 };
    let bugs = [
        ("left$d = left - 21'h1;", "left$d = left;"),
        ("armed$d = 1'h0;", "armed$d = armed;"),
        ("cycles$d = delay_less_one + lead;", "cycles$d = delay_less_one;"),
    ];
    prove(&[proof], 10, &bugs);
}

#[test]
fn commands_keep_the_states_of_every_bank() {
    let cut = &["shift_register_1_bits_6", "shift_register_1_bits_7"];
    let proof = Proof { property: "dram/sequencer", module: "sequencer", cut, steps: 4 };
    let bugs = [
        ("active & (beat == 3'h0)", "active & (beat == 3'h1)"),
        ("bank_now$d = bank_now + 3'h1;", "bank_now$d = bank_now + 3'h2;"),
        ("ras_held$d = opens | refresh_later$y", "ras_held$d = opens"),
    ];
    prove(&[proof], 24, &bugs);
}

#[test]
fn the_host_port_loses_and_invents_no_byte() {
    let proof = Proof { property: "host_port", module: "host_port", cut: &[], steps: 1 };
    let bugs = [
        ("((memory & in_range) & (!running))", "(memory & in_range)"),
        ("if (bytes == header_last)", "if (bytes == word_last)"),
        ("| (phase == Phase$Word)", "| (phase == Phase$Word) | (phase == Phase$Check)"),
    ];
    prove(&[proof], 20, &bugs);
}
