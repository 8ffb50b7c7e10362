//! Planted faults on the Verilated chip: what the verifier rejects, the hardware flags, if it has a flag for it.
//!
//! Each plant is a legal program with one thing wrong. The verifier names the rule, the chip raises exactly the flag that
//! belongs to the rule, and the emulator raises it too unless the fault lies in a pipeline, which it does not have.
#![cfg(feature = "rtl")]

use lpu_assembly::assemble;
use lpu_isa::Geometry;
use lpu_isa::host::{Fault, Space};
use lpu_isa::image::{Image, ModelInfo};
use lpu_sim::device::{DeviceError, HostPort, run_to_end};
use lpu_sim::rtl::chip;
use lpu_sim::{Device, Emulator, PortDevice, RunRequest};
use lpu_verifier::{Location, Port, Rule, verify};

const GEOMETRY: Geometry = Geometry::NANO;
/// The chip of plants that need external memory. Its first segment begins in cycle 12, its first slot in 20; a row takes nine words and uses
/// its port in cycle 20 + 28 + 8.
const EXTERNAL: Geometry = Geometry::NANO_SDRAM;
/// The end of every token: chooses one, and waits until it is known.
const CHOOSE: &str = "vector delay=4 b=scalar scalar=32 destination=argmax restart=1\nnop delay=60\nend\n";
/// A whole activation entry, written in cycle 12 + 14.
const DRIVE_ENTRY: &str = "vector delay=8 destination=act length=1 period=1\n";

/// What the hardware does about a broken rule.
enum Answer {
    /// It raises one of these flags.
    Flags(&'static [Fault]),
    /// It raises none, for this reason.
    Silent(&'static str),
}
use Answer::{Flags, Silent};

const UNSEEN: &str = "the hardware keeps no record of who wrote a location or when: it reads what is there";
const DEFINED: &str = "the hardware gives it a meaning, though not one that a program may want";
const TIMELESS: &str =
    "the hardware counts cycles of what happens and knows of no cycle in which it should have";
const LOADER: &str = "the host refuses the image before a word of it reaches the chip";

/// The flags of each rule, or why it has none. A new rule does not compile until it is answered here.
fn answer(rule: &Rule) -> Answer {
    match rule {
        Rule::Period { .. } => {
            Flags(&[Fault::MATRIX_UNDERRUN, Fault::VECTOR_UNDERRUN, Fault::TRANSFER_UNDERRUN])
        }
        Rule::Undecodable | Rule::WrongQueue { .. } | Rule::NoEnd => Flags(&[Fault::ILLEGAL_INSTRUCTION]),
        Rule::Port { port: Port::Vmem | Port::MatrixRow, .. } => Flags(&[Fault::VMEM_CONFLICT]),
        Rule::Port { port: Port::VmemHalf { .. }, .. } => {
            Flags(&[Fault::VMEM_CONFLICT, Fault::TRANSFER_CONFLICT])
        }
        Rule::Port { .. } | Rule::Turnaround { .. } => Flags(&[Fault::TRANSFER_CONFLICT]),
        Rule::Noise { .. } => Flags(&[Fault::NOISE_UNDERRUN]),
        Rule::Meeting { .. } | Rule::Trips { .. } => Flags(&[Fault::SYNC_LOST]),
        Rule::Collision { location, .. } => match location {
            Location::KvRow(_) => Flags(&[Fault::KV_CONFLICT]),
            Location::Act { .. } => Flags(&[Fault::ACT_CONFLICT]),
            Location::Scalar(_) => Flags(&[Fault::SCALAR_CONFLICT]),
            Location::WeightRow(_) => Silent(UNSEEN),
            Location::SumsLane(_) => Silent("no program can write it so"),
            Location::Granule(_) => Silent("granules move one after another"),
            Location::VmemRow(_) | Location::Vreg(_) => Silent("the memory shows what it held before"),
        },
        Rule::Address { location, .. } => match location {
            Location::WeightRow(_) | Location::KvRow(_) => Flags(&[Fault::MATRIX_ADDRESS]),
            Location::VmemRow(_) => Flags(&[Fault::VMEM_ADDRESS]),
            Location::Granule(_) => Flags(&[Fault::DRAM_ADDRESS]),
            Location::Vreg(_) | Location::Scalar(_) | Location::Act { .. } | Location::SumsLane(_) => {
                Silent("the number's high bits are not stored, or read as zero")
            }
        },
        Rule::TooEarly { .. } | Rule::SameCycle { .. } | Rule::Overtaken { .. } => Silent(UNSEEN),
        Rule::Undriven { .. } | Rule::UndrivenEntry | Rule::ConstantLost { .. } => Silent(UNSEEN),
        Rule::Field { .. } | Rule::Count { .. } | Rule::UnusedNoise | Rule::AfterEnd => Silent(DEFINED),
        Rule::NestedLoop | Rule::OpenLoop | Rule::LoopNotBegun => Silent(DEFINED),
        Rule::MaximumWithoutRow | Rule::Candidate { .. } | Rule::ComparisonNotBegun => Silent(DEFINED),
        Rule::NoComparison | Rule::ChoiceTooLate { .. } | Rule::AfterToken { .. } => Silent(TIMELESS),
        Rule::TooLong { .. } => Silent("the cycle counter has room for it"),
        Rule::QueueOverflow { .. } | Rule::MemorySize { .. } | Rule::MemoryValue { .. } => Silent(LOADER),
        Rule::Context { .. } | Rule::FirstPosition { .. } => Silent(LOADER),
        Rule::NoExternalMemory { .. } | Rule::DramSize { .. } => Silent(LOADER),
        Rule::DramAddress { .. } => Flags(&[Fault::DRAM_ADDRESS]),
        Rule::PartialRun { .. } => Silent(DEFINED),
        Rule::GranuleLost { .. } => Silent(UNSEEN),
    }
}

/// A program with one thing wrong.
struct Plant {
    name: &'static str,
    matrix: String,
    vector: String,
    /// The third queue, of plants that need external memory.
    transfer: Option<String>,
    /// The flag raised, or none.
    flag: Fault,
    /// Whether the emulator, which has no pipeline, raises it as well.
    emulated: bool,
}

fn plant(name: &'static str, flag: Fault, matrix: &str, vector: &str) -> Plant {
    Plant {
        name,
        matrix: format!("{matrix}\nend\n"),
        vector: format!("{vector}\n{CHOOSE}"),
        transfer: None,
        flag,
        emulated: true,
    }
}

/// A plant in time: two accesses of a pipeline that meet.
fn meeting(name: &'static str, flag: Fault, matrix: &str, vector: &str) -> Plant {
    Plant { emulated: false, ..plant(name, flag, matrix, vector) }
}

/// A plant on the chip with external memory.
fn external(plant: Plant, transfer: &str) -> Plant {
    Plant { transfer: Some(format!("{transfer}\nend\n")), ..plant }
}

fn transfer_plants() -> Vec<Plant> {
    let transfers = |name, flag, transfer| external(plant(name, flag, "", ""), transfer);
    let meets = |name, flag, vector, transfer| external(meeting(name, flag, "", vector), transfer);
    let conflict = Fault::TRANSFER_CONFLICT;
    vec![
        transfers("too short a wait of the transfer queue", Fault::TRANSFER_UNDERRUN, "nop delay=3"),
        transfers("an unknown opcode among transfers", Fault::ILLEGAL_INSTRUCTION, "word 0xf 0 0 0 0 0"),
        transfers("a meeting of the transfer queue alone", Fault::SYNC_LOST, "sync"),
        transfers("a granule beyond external memory", Fault::DRAM_ADDRESS, "transfer run=1 address=524288"),
        transfers("a row beyond KV memory", Fault::MATRIX_ADDRESS, "transfer way=kv run=1 row=1024"),
        transfers(
            "a row back beyond KV memory",
            Fault::MATRIX_ADDRESS,
            "transfer way=from_kv run=1 row=1024",
        ),
        transfers("a row beyond vector memory", Fault::VMEM_ADDRESS, "transfer way=vmem run=1 row=1024"),
        transfers(
            "a row back before vector memory",
            Fault::VMEM_ADDRESS,
            "transfer way=from_vmem run=2 row_step=-1",
        ),
        meets(
            "the bus turns round without an empty slot",
            conflict,
            "",
            "transfer way=kv run=1 row=5\ntransfer way=from_kv run=1 row=7 address=9",
        ),
        meets(
            "a row that comes meets a key at the write port of KV memory",
            conflict,
            // 12 + 28 + 16 = 56.
            "vector delay=28 destination=key length=1 period=1 row=3",
            "transfer way=kv run=1 row=5",
        ),
        meets(
            "a row that goes meets a key at the write port of KV memory",
            conflict,
            // The second slot begins in cycle 52, and the row is sampled in 53 = 12 + 25 + 16.
            "vector delay=25 destination=key length=1 period=1 row=3",
            "transfer delay=20 way=from_kv run=1 row=5 address=9",
        ),
        meets(
            "a row that comes meets a result in its half of vector memory",
            conflict,
            // 12 + 30 + 14 = 56.
            "vector delay=30 destination=vmem row=21",
            "transfer way=vmem run=1 row=20",
        ),
        meets(
            "a row that goes meets a result in its half of vector memory",
            conflict,
            // 53 = 12 + 27 + 14.
            "vector delay=27 destination=vmem row=21",
            "transfer delay=20 way=from_vmem run=1 row=3 address=9",
        ),
        external(
            meeting(
                "a gather for one half of vector memory meets sums for the other",
                Fault::VMEM_CONFLICT,
                "dot delay=30 count=2 tap=1 clear=always emit=last store=720\ngather delay=2 interval=4 store=21",
                DRIVE_ENTRY,
            ),
            "",
        ),
        external(
            meeting(
                "a gather meets a result in one half of vector memory",
                Fault::VMEM_CONFLICT,
                "gather delay=10 store=20",
                "vector delay=8 destination=vmem row=21",
            ),
            "",
        ),
    ]
}

fn queue_plants() -> Vec<Plant> {
    let endless = Plant {
        matrix: "nop delay=4\n".into(),
        ..plant("a queue without end", Fault::ILLEGAL_INSTRUCTION, "", "")
    };
    vec![
        plant("too short a wait of the matrix queue", Fault::MATRIX_UNDERRUN, "nop delay=3", ""),
        plant("too short a wait of the vector queue", Fault::VECTOR_UNDERRUN, "", "nop delay=3"),
        plant("a delay that vanishes at a position", Fault::VECTOR_UNDERRUN, "", "nop delay=5-2b"),
        plant("an unknown opcode", Fault::ILLEGAL_INSTRUCTION, "word 0xf 0 0 0 0 0", ""),
        plant(
            "an operation of the other queue",
            Fault::ILLEGAL_INSTRUCTION,
            "word 0x010000010000004c 0 0 0 0 0",
            "",
        ),
        endless,
        plant("a meeting of one queue", Fault::SYNC_LOST, "sync", ""),
        plant(
            "an end of a loop that only one queue has",
            Fault::SYNC_LOST,
            "",
            "loop delay=4 count=2\nend_loop",
        ),
    ]
}

fn conflict_plants() -> Vec<Plant> {
    vec![
        meeting(
            "a gather meets a result at the write port of vector memory",
            Fault::VMEM_CONFLICT,
            // 4 + 10 + 12 = 4 + 8 + 14.
            "gather delay=10 store=20",
            "vector delay=8 destination=vmem row=21",
        ),
        meeting(
            "a gather meets sums at the write port of vector memory",
            Fault::VMEM_CONFLICT,
            // The gather is issued 3 cycles after the last beat: 15 = 3 + 12.
            "dot delay=30 count=2 tap=1 clear=always emit=last store=20\ngather delay=2 interval=4 store=21",
            DRIVE_ENTRY,
        ),
        meeting(
            "a key is read while it is written",
            Fault::KV_CONFLICT,
            // The key is issued in 4 + 8 + 1 + 8 = 21, the beat 15 cycles later.
            "dot delay=32 memory=kv row=3 tap=1 clear=always",
            &format!("{DRIVE_ENTRY}vector delay=8 destination=key length=1 period=1 row=3"),
        ),
        meeting(
            "an activation entry is read while it is written",
            Fault::ACT_CONFLICT,
            // 12 + 16 = 25 + 3.
            "dot delay=21 tap=1 clear=always",
            DRIVE_ENTRY,
        ),
        meeting(
            "a reduction is read while it is written",
            Fault::SCALAR_CONFLICT,
            "",
            // The second is issued 23 cycles after the first: 23 + 2 = 25, and the effect is in 26.
            "vector delay=8 reduce=all\nvector delay=22 b=scalar scalar=16",
        ),
        plant(
            "random numbers faster than they are made",
            Fault::NOISE_UNDERRUN,
            "",
            "vector delay=8 count=12 c=noise",
        ),
    ]
}

fn address_plants() -> Vec<Plant> {
    let matrix = |name, program| plant(name, Fault::MATRIX_ADDRESS, program, DRIVE_ENTRY);
    let vmem = |name, matrix, vector| plant(name, Fault::VMEM_ADDRESS, matrix, vector);
    vec![
        matrix("a row beyond weight memory", "dot delay=30 row=2048 tap=1 clear=always"),
        matrix("a row before weight memory", "dot delay=30 count=2 row_step=-1 tap=1 clear=always"),
        matrix("a row beyond KV memory", "dot delay=30 memory=kv row=1024 tap=1 clear=always"),
        matrix("a chunk beyond weight memory", "gather delay=30 row=2048 store=20"),
        plant(
            "a key beyond KV memory",
            Fault::MATRIX_ADDRESS,
            "",
            "vector delay=8 destination=key length=1 period=1 row=1024",
        ),
        plant(
            "a value beyond KV memory",
            Fault::MATRIX_ADDRESS,
            "",
            "vector delay=8 destination=value positions=3 row=1024",
        ),
        vmem("a row read beyond vector memory", "", "vector delay=8 vmem=512"),
        vmem(
            "a result before vector memory",
            "",
            "vector delay=8 destination=vmem count=2 row=20 row_step=-21",
        ),
        vmem("a result beyond vector memory", "", "vector delay=8 destination=vmem row=512"),
        vmem("sums beyond vector memory", "dot delay=30 tap=1 clear=always emit=wrap store=512", DRIVE_ENTRY),
        vmem("a chunk stored beyond vector memory", "gather delay=30 store=512", ""),
    ]
}

/// Faults without a flag: the chip stays silent, which is why programs are verified before they run.
fn silent_plants() -> Vec<Plant> {
    let silent = |name, matrix, vector| plant(name, Fault::default(), matrix, vector);
    vec![
        silent(
            "a vector register read too early",
            "",
            "vector delay=8 write=1 target=5\nvector delay=8 x=vreg_a a=5",
        ),
        silent("a vector register that nobody writes", "", "vector delay=8 x=vreg_a a=5"),
        silent("a constant that a token overwrites", "gather delay=30 store=0", "vector delay=8 vmem=0"),
        silent("an interval of none", "", "vector delay=8 interval=0"),
        silent("chunks too close together", "gather delay=8 count=2 store=20", ""),
    ]
}

fn plants() -> Vec<Plant> {
    let all = [queue_plants(), conflict_plants(), address_plants(), silent_plants(), transfer_plants()];
    all.into_iter().flatten().collect()
}

fn image(matrix: &str, vector: &str, transfer: Option<&str>) -> Image {
    let transfers = transfer.map(|transfer| format!("queue transfer\n{transfer}")).unwrap_or_default();
    let text = format!("queue matrix\n{matrix}queue vector\n{vector}{transfers}");
    let program = assemble(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    Image {
        geometry: if transfer.is_some() { EXTERNAL } else { GEOMETRY },
        model: ModelInfo { name: "plant".into(), vocab: 8, context: 8, ..ModelInfo::default() },
        matrix: program.matrix,
        vector: program.vector,
        weights: (0..8 * GEOMETRY.mxm_lanes).map(|at| at as i16 + 1).collect(),
        vmem: (0..8 * GEOMETRY.vxm_lanes).map(|at| at as i32 * 100).collect(),
        transfer: program.transfer,
        dram: transfer
            .map(|_| (0..8 * EXTERNAL.granule_bytes()).map(|at| at as u8))
            .into_iter()
            .flatten()
            .collect(),
        tokenizer: Vec::new(),
    }
}

/// The flags after one position on a fresh device.
fn flags(mut device: impl Device, image: &Image) -> Fault {
    device.load(image).expect("the image fits the device");
    assert_eq!(device.faults(), Ok(Fault::default()), "loading raises nothing");
    match run_to_end(&mut device, &RunRequest::greedy(&[1], 1)) {
        Ok(outcome) => assert_eq!(outcome.steps.len(), 1),
        // Below the RTL, the model of the memory objects to pins that two sides drive.
        Err(DeviceError::Line(why)) => assert!(why.contains("one side drives the data pins"), "{why}"),
        Err(error) => panic!("{error}"),
    }
    device.faults().expect("the flags are read")
}

fn rtl(geometry: &Geometry) -> PortDevice<lpu_sim::rtl::Rtl> {
    chip(geometry).expect("RTL of this chip exists")
}

fn emulator(geometry: &Geometry) -> PortDevice<Emulator> {
    PortDevice::new(Emulator::new(*geometry))
}

#[test]
fn the_frame_of_the_plants_is_legal_and_raises_nothing() {
    let image = image(
        "dot delay=40 tap=1 clear=always emit=wrap store=20\nnop delay=20\nend\n",
        &format!("{DRIVE_ENTRY}{CHOOSE}"),
        None,
    );
    verify(&image).expect("the frame is legal");
    assert_eq!(flags(rtl(&GEOMETRY), &image), Fault::default());
}

/// What is a conflict on chips without external memory: each half of vector memory takes a row in the same cycle, a third row comes a cycle
/// later, and a row of weights wraps.
#[test]
fn rows_in_both_halves_of_vector_memory_do_not_meet() {
    let image = image(
        "gather delay=10 store=20\ndot delay=40 row=2047 row_step=1 count=2 tap=1 clear=always emit=wrap store=24\nend\n",
        &format!("{DRIVE_ENTRY}vector delay=4 destination=vmem row=721\n{CHOOSE}"),
        Some("transfer run=1 row=2047\ntransfer way=vmem run=1 row=22\nend\n"),
    );
    verify(&image).unwrap_or_else(|violation| panic!("{violation}"));
    assert_eq!(flags(rtl(&EXTERNAL), &image), Fault::default());
}

#[test]
fn each_planted_fault_is_rejected_by_its_rule_and_raises_its_flag() {
    for Plant { name, matrix, vector, transfer, flag, emulated } in plants() {
        let image = image(&matrix, &vector, transfer.as_deref());
        let violation = verify(&image).expect_err(name);
        match answer(&violation.rule) {
            Flags(flags) => assert!(flags.contains(&flag), "{name}: {violation}"),
            Silent(reason) => assert_eq!(flag, Fault::default(), "{name}: {violation}: {reason}"),
        }
        assert_eq!(flags(rtl(&image.geometry), &image), flag, "{name}: {violation}");
        let expected = if emulated { flag } else { Fault::default() };
        assert_eq!(flags(emulator(&image.geometry), &image), expected, "{name} on the emulator");
    }
}

/// What a host does wrong, while a long token runs and while none does.
#[test]
fn the_host_is_flagged_for_what_it_may_not_access() {
    let image = image("end\n", &format!("nop delay=30000\n{CHOOSE}"), None);
    let word = lpu_sim::device::from_number(0x1234);
    type Access = fn(&mut dyn HostPort, &lpu_sim::device::HostWord);
    let while_running: [(&str, Access); 4] = [
        ("a weight written", |port, word| port.write(Space::Weights, 0, &[*word]).expect("sent")),
        ("a key read", |port, _| drop(port.read(Space::Kv, 0, 1).expect("answered"))),
        ("a row of vector memory read", |port, _| drop(port.read(Space::Vmem, 0, 1).expect("answered"))),
        ("an instruction written", |port, word| port.write(Space::MatrixQueue, 0, &[*word]).expect("sent")),
    ];
    for (name, access) in while_running {
        let mut device = rtl(&GEOMETRY);
        device.load(&image).expect("the image fits the device");
        device.start(&RunRequest::greedy(&[1], 1)).expect("the run begins");
        access(device.port(), &word);
        assert_eq!(device.faults(), Ok(Fault::HOST_ACCESS), "{name}");
        assert!(device.next_step().expect("the token ends").is_some(), "{name}");
        assert_eq!(device.faults(), Ok(Fault::HOST_ACCESS), "{name} harms nothing else");
    }
    let at_any_time: [(&str, Access); 3] = [
        ("a row beyond vector memory", |port, _| drop(port.read(Space::Vmem, 1024, 1).expect("answered"))),
        ("an instruction read", |port, _| drop(port.read(Space::VectorQueue, 0, 1).expect("answered"))),
        ("a record written", |port, word| port.write(Space::TokensOut, 0, &[*word]).expect("sent")),
    ];
    for (name, access) in at_any_time {
        for (mut device, on) in [
            (Box::new(rtl(&GEOMETRY)) as Box<dyn HostAndDevice>, "RTL"),
            (Box::new(emulator(&GEOMETRY)), "emulator"),
        ] {
            access(device.host_port(), &word);
            assert_eq!(device.faults(), Ok(Fault::HOST_ACCESS), "{name} on the {on}");
        }
    }
}

/// A device whose host port is at hand.
trait HostAndDevice: Device {
    fn host_port(&mut self) -> &mut dyn HostPort;
}

impl<P: HostPort> HostAndDevice for PortDevice<P> {
    fn host_port(&mut self) -> &mut dyn HostPort {
        self.port()
    }
}

#[test]
fn every_flag_is_raised_by_a_plant_or_by_the_host() {
    let raised = plants().iter().fold(Fault::HOST_ACCESS, |all, plant| Fault(all.0 | plant.flag.0));
    for (fault, name, _) in Fault::TABLE {
        assert!(raised.contains(*fault), "no plant raises {name}");
    }
}
