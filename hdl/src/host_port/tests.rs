//! Random commands as bytes, against what the protocol says of them.

use super::HostPort;
use crate::bench::{Bench, Random, Response, Stimulus};
use crate::emit::emit;
use lpu_isa::Geometry;
use lpu_isa::host::{COMMAND_READ, COMMAND_WRITE, HOST_WORD_BYTES, Space};

const GEOMETRY: Geometry = Geometry::NANO;
const READ_CYCLES: usize = 5;
/// Cycles from byte to byte: within them a written word is done with.
const BYTE_CYCLES: usize = 4;
/// Cycles for a word that is read.
const WORD_CYCLES: usize = READ_CYCLES + 2 * HOST_WORD_BYTES + 4;
const STROBES: [&str; 9] = [
    "register_write",
    "token_push",
    "record_pop",
    "matrix_write",
    "matrix_read",
    "vmem_write",
    "vmem_read",
    "matrix_queue_write",
    "vector_queue_write",
];

/// A command with what surrounds it.
struct Command {
    writes: bool,
    space: usize,
    address: u32,
    words: Vec<[u8; HOST_WORD_BYTES]>,
    running: bool,
    prompt_full: bool,
    cycles: std::ops::Range<usize>,
}

impl Command {
    fn random(random: &mut Random) -> Self {
        // One space that does not exist.
        let space = random.below(9) as usize;
        let sizes = [32, 4096, 2048, 1024, 1024, 1024, 8, 8, 8];
        let near_the_end = random.below(3) == 0;
        let address =
            if near_the_end { sizes[space] - 1 - random.below(2) } else { random.below(sizes[space]) };
        let word = |random: &mut Random| std::array::from_fn(|_| random.unsigned(8) as u8);
        Self {
            writes: random.below(2) == 0,
            space,
            address: address as u32,
            words: (0..random.below(4)).map(|_| word(random)).collect(),
            running: random.below(4) == 0,
            prompt_full: random.below(4) == 0,
            cycles: 0..0,
        }
    }

    /// The strobe for a word, or none when it is refused. A register read has none either, and is not refused.
    fn strobe(&self, word: usize) -> Option<&'static str> {
        let at = self.address as usize + word;
        let inside = |rows: usize, words: usize| at < rows * words && !self.running;
        let chip = &GEOMETRY;
        let memory = |write, read| Some(if self.writes { write } else { read });
        match self.space {
            0 if self.writes => Some("register_write"),
            1 if inside(chip.weight_rows, chip.mxm_lanes / 8) => memory("matrix_write", "matrix_read"),
            2 if inside(chip.kv_rows, chip.mxm_lanes / 8) => memory("matrix_write", "matrix_read"),
            3 if inside(chip.vmem_rows, chip.vxm_lanes / 4) => memory("vmem_write", "vmem_read"),
            4 if inside(chip.matrix_queue_depth, 8) && self.writes => Some("matrix_queue_write"),
            5 if inside(chip.vector_queue_depth, 8) && self.writes => Some("vector_queue_write"),
            6 if self.writes && !self.prompt_full => Some("token_push"),
            7 if !self.writes => Some("record_pop"),
            _ => None,
        }
    }

    fn refused(&self, word: usize) -> bool {
        self.strobe(word).is_none() && (self.writes || self.space != Space::Registers as usize)
    }

    fn answer(&self, word: usize) -> [u8; HOST_WORD_BYTES] {
        if self.refused(word) { [0; HOST_WORD_BYTES] } else { answer(self.space) }
    }
}

/// What the spaces answer in this test, always.
fn answer(space: usize) -> [u8; HOST_WORD_BYTES] {
    let mut bytes = [space as u8 ^ 0x5a; HOST_WORD_BYTES];
    (0..HOST_WORD_BYTES).for_each(|index| bytes[index] = bytes[index].wrapping_add(17 * index as u8));
    if !(1..4).contains(&space) {
        bytes[8] = 0;
    }
    bytes
}

fn word_of(bytes: [u8; HOST_WORD_BYTES]) -> [u32; 3] {
    let part =
        |at: usize| (0..4).fold(0, |word, i| word | u32::from(*bytes.get(at + i).unwrap_or(&0)) << (8 * i));
    [part(0), part(4), part(8)]
}

fn cycle(stimulus: &mut Stimulus, random: &mut Random, command: &Command, byte: Option<u8>) {
    stimulus.cycle().set("running", command.running.into()).set("prompt_full", command.prompt_full.into());
    stimulus.set("in_valid", byte.is_some().into()).set("in_data", u64::from(byte.unwrap_or(0xee)));
    stimulus.set("out_ready", u64::from(random.below(4) != 0));
    let memory = if command.space == 2 { 2 } else { 1 };
    stimulus.set_words("matrix_word", &word_of(answer(memory))).set_words("vmem_word", &word_of(answer(3)));
    let number = |space| u64::from_le_bytes(answer(space)[..8].try_into().unwrap());
    stimulus.set("register_word", number(0)).set("record_word", number(7));
}

fn send(stimulus: &mut Stimulus, random: &mut Random, command: &mut Command) {
    let begin = stimulus.cycles();
    let [a, b, c, _] = command.address.to_le_bytes();
    let code = if command.writes { COMMAND_WRITE } else { COMMAND_READ };
    let mut bytes = vec![code, command.space as u8, a, b, c, command.words.len() as u8, 0];
    if command.writes {
        bytes.extend_from_slice(command.words.as_flattened());
    }
    for byte in bytes {
        cycle(stimulus, random, command, Some(byte));
        (1..BYTE_CYCLES).for_each(|_| cycle(stimulus, random, command, None));
    }
    let answers = if command.writes { 0 } else { command.words.len() };
    // Four times the cycles: the host takes three bytes of four.
    (0..4 * answers * WORD_CYCLES).for_each(|_| cycle(stimulus, random, command, None));
    command.cycles = begin..stimulus.cycles();
}

/// The strobes of a command: name, address, KV, data.
fn strobes(response: &Response, command: &Command) -> Vec<(&'static str, u32, bool, Vec<u32>)> {
    let mut found = vec![];
    for t in command.cycles.clone() {
        for name in STROBES.into_iter().filter(|name| response.get(t, name) == 1) {
            let kv = response.get(t, "kv") == 1;
            found.push((name, response.get(t, "address") as u32, kv, response.words(t, "data").to_vec()));
            check_places(response, t);
        }
    }
    found
}

fn check_places(response: &Response, t: usize) {
    let get = |name| response.get(t, name);
    let (octets, quads) = (GEOMETRY.mxm_lanes as u64 / 8, GEOMETRY.vxm_lanes as u64 / 4);
    assert_eq!(get("matrix_row") * octets + get("octet"), get("address"));
    if get("vmem_read") + get("vmem_write") == 1 {
        assert_eq!(get("vmem_row") * quads + get("quad"), get("address"));
    }
    if get("matrix_queue_write") + get("vector_queue_write") == 1 {
        assert_eq!(get("queue_index") * 8 + get("queue_part"), get("address"));
    }
}

#[test]
fn commands_reach_their_spaces_and_are_answered() {
    let bench = Bench::new(&emit(&mut HostPort::new(&GEOMETRY, READ_CYCLES), "dut").unwrap()).unwrap();
    let mut random = Random::from_seed_variable();
    let mut stimulus = bench.stimulus();
    let mut commands: Vec<Command> = (0..400).map(|_| Command::random(&mut random)).collect();
    commands.iter_mut().for_each(|command| send(&mut stimulus, &mut random, command));
    let ready: Vec<bool> = {
        let mut again = Random::from_seed_variable();
        commands.iter().for_each(|_| drop(Command::random(&mut again)));
        (0..stimulus.cycles()).map(|_| again.below(4) != 0).collect()
    };
    let idle = Command { running: false, ..Command::random(&mut random) };
    cycle(&mut stimulus, &mut random, &idle, None);
    let response = bench.run(&stimulus).unwrap();
    for (number, command) in commands.iter().enumerate() {
        let words = 0..command.words.len();
        let expected: Vec<_> =
            words.clone().filter_map(|k| Some((command.strobe(k)?, command.address + k as u32, k))).collect();
        let found = strobes(&response, command);
        assert_eq!(found.len(), expected.len(), "command {number}");
        for ((name, address, kv, data), (strobe, at, k)) in found.iter().zip(&expected) {
            assert_eq!((name, address), (strobe, at), "command {number}");
            assert_eq!(*kv, command.space == Space::Kv as usize, "command {number}");
            assert!(!command.writes || data[..] == word_of(command.words[*k]), "command {number}");
        }
        let count = |name: &str| command.cycles.clone().filter(|&t| response.get(t, name) == 1).count();
        assert_eq!(
            count("refused"),
            words.clone().filter(|&k| command.refused(k)).count(),
            "command {number}"
        );
        let taken = command.cycles.clone().filter(|&t| response.get(t, "out_valid") == 1 && ready[t]);
        let bytes: Vec<u8> = taken.map(|t| response.get(t, "out_data") as u8).collect();
        let answers: Vec<u8> =
            words.filter(|_| !command.writes).flat_map(|word| command.answer(word)).collect();
        assert_eq!(bytes, answers, "command {number}");
    }
}

/// Needs no model: what is no command is a fault, and the next command is understood.
#[test]
fn an_unknown_command_is_a_fault() {
    let bench = Bench::new(&emit(&mut HostPort::new(&GEOMETRY, READ_CYCLES), "dut").unwrap()).unwrap();
    let mut stimulus = bench.stimulus();
    for byte in
        [0x51, 0, 0, 0, 0, 1, 0, COMMAND_WRITE, 6, 0, 0, 0, 1, 0].into_iter().chain([9; HOST_WORD_BYTES])
    {
        stimulus.cycle().set("in_valid", 1).set("in_data", byte.into());
        stimulus.idle(BYTE_CYCLES - 1);
    }
    let response = bench.run(&stimulus).unwrap();
    let count = |name: &str| (0..stimulus.cycles()).filter(|&t| response.get(t, name) == 1).count();
    assert_eq!((count("refused"), count("token_push"), count("out_valid")), (1, 1, 0));
}

/// A chip with external memory, as large as the widths of this package allow.
const EXTERNAL: Geometry = Geometry {
    vmem_rows: 512,
    matrix_queue_depth: 128,
    vector_queue_depth: 128,
    dram_granules: 1 << 10,
    ..Geometry::NANO_SDRAM
};
/// Cycles from the last byte of a command that reads to its strobe.
const READ_STROBE: usize = 6;

/// Commands on external memory and the transfer queue, of one word each. Memory takes its time, and the port waits for it.
#[test]
fn the_port_waits_for_external_memory() {
    let bench = Bench::new(&emit(&mut HostPort::new(&EXTERNAL, READ_CYCLES), "dut").unwrap()).unwrap();
    let mut random = Random::from_seed_variable();
    let (mut stimulus, mut expected) = (bench.stimulus(), vec![]);
    let words = (EXTERNAL.dram_granules * 8) as u64;
    for _ in 0..400 {
        let (writes, dram, running) = (random.below(2) == 0, random.below(3) > 0, random.below(5) == 0);
        let size = if dram { words } else { 8 * EXTERNAL.transfer_queue_depth as u64 };
        let address = if random.below(3) == 0 { size - 2 + random.below(4) } else { random.below(size) };
        let legal = !running && address < size && (dram || writes);
        let word: [u8; HOST_WORD_BYTES] = std::array::from_fn(|_| random.unsigned(8) as u8);
        let [a, b, c, ..] = address.to_le_bytes();
        let space = if dram { Space::Dram } else { Space::TransferQueue };
        let mut bytes = vec![if writes { COMMAND_WRITE } else { COMMAND_READ }, space as u8, a, b, c, 1, 0];
        bytes.extend(word.into_iter().filter(|_| writes));
        for byte in bytes {
            stimulus.cycle().set("in_valid", 1).set("in_data", byte.into()).set("running", running.into());
            (1..BYTE_CYCLES).for_each(|_| {
                stimulus.cycle().set("running", running.into());
            });
        }
        let last = stimulus.cycles() - BYTE_CYCLES;
        let strobe = last + if writes { HostPort::LATENCY } else { READ_STROBE };
        let done = strobe + 1 + random.below(40) as usize;
        let answer = random.next_u64();
        let end = done + if writes { 2 } else { 2 * HOST_WORD_BYTES + READ_CYCLES };
        while stimulus.cycles() <= end {
            let now = stimulus.cycles();
            stimulus.cycle().set("out_ready", 1).set("running", running.into());
            // What memory shows before it has done is nothing yet.
            let shown = if now < done { !answer } else { answer };
            stimulus.set_words("dram_word$0", &[shown as u32, (shown >> 32) as u32, 0]);
            stimulus.set("dram_done$0", (legal && dram && now == done).into());
        }
        expected.push((writes, dram, legal, address, word, answer, [last, strobe, done, end]));
    }
    let response = bench.run(stimulus.idle(1)).unwrap();
    for (number, (writes, dram, legal, address, word, answer, [last, strobe, done, end])) in
        expected.into_iter().enumerate()
    {
        let count = |name: &str| (last..=end).filter(|&t| response.get(t, name) == 1).count();
        let wanted = |named: bool| usize::from(named && legal);
        assert_eq!(count("dram_write$0"), wanted(dram && writes), "command {number}");
        assert_eq!(count("dram_read$0"), wanted(dram && !writes), "command {number}");
        assert_eq!(count("transfer_queue_write$0"), wanted(!dram), "command {number}");
        assert_eq!(count("refused"), usize::from(!legal), "command {number}");
        if legal {
            assert_eq!(response.get(strobe, "address"), address, "command {number}");
            assert!(!writes || response.words(strobe, "data") == word_of(word), "command {number}");
        }
        if legal && dram {
            let port = if writes { "dram_write$0" } else { "dram_read$0" };
            assert_eq!(response.get(strobe, port), 1, "command {number}");
            assert!((strobe..=done).all(|t| response.get(t, "in_ready") == 0), "command {number}");
        }
        let taken = (last..=end).filter(|&t| response.get(t, "out_valid") == 1);
        let found: Vec<u8> = taken.map(|t| response.get(t, "out_data") as u8).collect();
        let mut bytes = [0; HOST_WORD_BYTES];
        if legal && dram {
            bytes[..8].copy_from_slice(&answer.to_le_bytes());
        }
        assert_eq!(found, if writes { vec![] } else { bytes.to_vec() }, "command {number}");
    }
}
