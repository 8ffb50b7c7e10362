//! Random transfers through the decoder, granule after granule, against the layout that the instruction set defines.

use super::decoder::Decoder;
use super::rows::ROW_CYCLE;
use crate::bench::{Bench, Family, Random, Response, Stimulus, cells};
use crate::dram::shape::{Part, Shape, chips};
use crate::emit::emit;
use lpu_isa::Geometry;
use lpu_isa::instruction::{Format, Transfer, Way};
use lpu_isa::transfer::{BLOCK_CODES, Layout, SCALE_BITS, bits, decode};

/// A transfer with its bits, and the cycle in which each of its granules begins.
struct Case {
    transfer: Transfer,
    bytes: Vec<u8>,
    granules: Vec<usize>,
}

/// A row that is written: cycle, memory, address, lanes.
type Row = (usize, Way, usize, Vec<i64>);

fn transfer(random: &mut Random) -> Transfer {
    Transfer {
        way: [Way::Weights, Way::Kv, Way::Vmem][random.below(3) as usize],
        format: [Format::Rows, Format::Codes4, Format::Codes5, Format::Codes6, Format::Codes8]
            [random.below(5) as usize],
        offset_codes: random.below(2) == 0,
        shift: 6 + random.below(10) as u32,
        run: random.below(12) as u32,
        blocks: random.below(6) as u32,
        row: 300 + random.below(100) as u32,
        row_step: random.signed(5) as i32,
        run_step: random.signed(7) as i32,
        ..Transfer::default()
    }
}

/// Transfers that follow one another at once or after a while, with a gap between some granules.
fn cases(random: &mut Random, chip: &Geometry, count: usize) -> Vec<Case> {
    let mut cycle = 5;
    let mut case = || {
        let transfer = transfer(random);
        let granules = (1 + random.below(3) as usize) * Layout::of(chip, &transfer).run_granules();
        let bytes = (0..granules * chip.granule_bytes()).map(|_| random.unsigned(8) as u8).collect();
        cycle += random.below(2) as usize * random.below(20) as usize;
        let mut granule = || {
            let begin = cycle;
            cycle += chip.dram_granule_cycles + random.below(8) as usize / 7 * random.below(20) as usize;
            begin
        };
        Case { transfer, bytes, granules: (0..granules).map(|_| granule()).collect() }
    };
    (0..count).map(|_| case()).collect()
}

/// The rows of a transfer.
fn rows(chip: &Geometry, case: &Case) -> Vec<Row> {
    let Case { transfer, bytes, granules } = case;
    let layout = Layout::of(chip, transfer);
    let places = match transfer.way {
        Way::Weights => chip.weight_rows,
        _ => 1 << 11,
    };
    let row = |run: usize, k: usize| {
        let (_, end) = layout.row_bits(k);
        let (granule, word) = layout.word_of(end - 1);
        let cycle = granules[run * layout.run_granules() + granule] + word + ROW_CYCLE;
        let (run_step, row_step) = (i64::from(transfer.run_step), i64::from(transfer.row_step));
        let address = i64::from(transfer.row) + run as i64 * run_step + k as i64 * row_step;
        let begin = run * layout.run_granules() * layout.granule_bits();
        let lanes = (0..layout.lanes).map(|lane| value(transfer, &layout, bytes, begin, k, lane)).collect();
        (cycle, transfer.way, address.rem_euclid(places as i64) as usize, lanes)
    };
    let runs = granules.len() / layout.run_granules();
    (0..runs).flat_map(|run| (0..layout.run()).map(move |k| (run, k))).map(|(run, k)| row(run, k)).collect()
}

fn value(transfer: &Transfer, layout: &Layout, bytes: &[u8], begin: usize, k: usize, lane: usize) -> i64 {
    let lane_bits = layout.lane_bits;
    let Some(code_bits) = layout.block_code_bits() else {
        let raw = bits(bytes, begin + layout.row_bits(k).0 + lane * lane_bits as usize, lane_bits as usize);
        return (raw as i64) << (64 - lane_bits) >> (64 - lane_bits);
    };
    let (first, count) = layout.row_codes(k);
    if lane >= count {
        return 0;
    }
    let (block, code) = ((first + lane) / BLOCK_CODES, (first + lane) % BLOCK_CODES);
    let at = begin + layout.result_begin(k) + block * layout.block_bits();
    let header = SCALE_BITS * (1 + usize::from(transfer.offset_codes));
    let scale = bits(bytes, at, SCALE_BITS) as u16;
    let offset = transfer.offset_codes.then(|| bits(bytes, at + SCALE_BITS, SCALE_BITS) as i16);
    let code = bits(bytes, at + header + code * code_bits as usize, code_bits as usize) as u32;
    i64::from(decode(scale, offset, code, code_bits, transfer.shift, lane_bits))
}

fn dut(chip: &Geometry) -> Decoder {
    Decoder::new(chip, &Shape::new(chip, &Part::SDR_32MB))
}

fn drive(stimulus: &mut Stimulus, chip: &Geometry, case: &Case) {
    let Transfer { way, format, offset_codes, shift, run, blocks, row, row_step, run_step, .. } =
        case.transfer;
    for (number, &begin) in case.granules.iter().enumerate() {
        stimulus.idle(begin - stimulus.cycles());
        for word in 0..chip.dram_granule_cycles {
            let at = number * chip.granule_bytes() + 2 * word;
            stimulus.cycle().set("word", bits(&case.bytes, 8 * at, 16));
            stimulus.set("granule", (word == 0).into()).set("fresh", (word == 0 && number == 0).into());
            if number > 0 || word > 1 {
                continue;
            }
            stimulus.set("way", way as u64).set("format", format as u64).set("run", run.into());
            stimulus.set("offset_codes", offset_codes.into()).set("blocks", blocks.into());
            stimulus.set("shift", shift.into()).set("row", row.into());
            stimulus.set_signed("row_step", row_step.into()).set_signed("run_step", run_step.into());
        }
    }
}

fn run(chip: &Geometry, cases: &[Case]) -> Response {
    let bench = Bench::new(&emit(&mut dut(chip), "dut").unwrap()).unwrap();
    let mut stimulus = bench.stimulus();
    cases.iter().for_each(|case| drive(&mut stimulus, chip, case));
    bench.run(stimulus.idle(ROW_CYCLE + 1)).unwrap()
}

/// The row of a cycle, if one is written.
fn found(chip: &Geometry, response: &Response, t: usize) -> Option<Row> {
    let strobes = [("weights", Way::Weights), ("kv", Way::Kv), ("vmem", Way::Vmem)];
    let mut written = strobes.into_iter().filter(|(port, _)| response.get(t, port) == 1);
    let (_, way) = written.next()?;
    assert!(written.next().is_none(), "cycle {t}: one memory at a time");
    let (lanes, lane_bits) = if way == Way::Vmem { (chip.vxm_lanes, 18) } else { (chip.mxm_lanes, 9) };
    let per_cell = 36 / lane_bits;
    let lane = |lane: usize| {
        let cell = response.get(t, &format!("cells${}", lane / per_cell)) as i64;
        cell >> (lane % per_cell * lane_bits) << (64 - lane_bits) >> (64 - lane_bits)
    };
    Some((t, way, response.get(t, "address") as usize, (0..lanes).map(lane).collect()))
}

#[test]
fn rows_come_as_the_layout_says() {
    for chip in chips::SDR {
        let cases = cases(&mut Random::from_seed_variable(), &chip, 1_500);
        let response = run(&chip, &cases);
        let end = cases.last().unwrap().granules.last().unwrap() + chip.dram_granule_cycles + ROW_CYCLE;
        let mut expected = cases.iter().flat_map(|case| rows(&chip, case));
        let mut count = 0;
        for t in 0..end {
            if let Some(row) = found(&chip, &response, t) {
                assert_eq!(Some(&row), expected.next().as_ref(), "cycle {t} of {}", chip.name);
                count += 1;
            }
        }
        assert_eq!(expected.next(), None);
        assert!(count > 10_000, "{count} rows");
    }
}

/// Needs no model: blocks of scale zero are their offsets, whatever the codes; and every transfer gives its rows, no more and no fewer.
#[test]
fn blocks_of_scale_zero_are_flat() {
    let chip = Geometry::ULX3S_85F_SDRAM;
    let mut random = Random::from_seed_variable();
    let mut cases = cases(&mut random, &chip, 300);
    for case in &mut cases {
        let transfer = &mut case.transfer;
        (transfer.format, transfer.offset_codes, transfer.shift) = (Format::Codes8, true, 4);
        (transfer.way, transfer.blocks, transfer.run) = (Way::Vmem, 1, 2);
        // A block is 18 words; a run fits a granule.
        for (number, granule) in case.bytes.chunks_mut(64).enumerate() {
            granule[..2].fill(0);
            granule[2..4].copy_from_slice(&(number as u16 * 7).to_le_bytes());
        }
    }
    let response = run(&chip, &cases);
    let written: Vec<Row> = (0..cases.last().unwrap().granules.last().unwrap() + 44)
        .filter_map(|t| found(&chip, &response, t))
        .collect();
    let granules: Vec<usize> = cases.iter().flat_map(|case| 0..case.granules.len()).collect();
    assert_eq!(written.len(), 2 * granules.len());
    for (number, (_, _, _, lanes)) in written.iter().enumerate() {
        assert_eq!(*lanes, vec![granules[number / 2] as i64 * 7; 16], "row {number}");
    }
}

#[test]
fn rows_outside_of_memory_are_told() {
    let chip = Geometry::NANO_SDRAM;
    for (way, row, outside) in [
        (Way::Weights, 5_000, false),
        (Way::Kv, chip.kv_rows - 1, false),
        (Way::Kv, chip.kv_rows, true),
        (Way::Vmem, chip.vmem_rows - 1, false),
        (Way::Vmem, chip.vmem_rows, true),
    ] {
        let transfer = Transfer { way, row: row as u32, run: 1, ..Transfer::default() };
        let case = Case { transfer, bytes: vec![1; 64], granules: vec![3] };
        let response = run(&chip, &[case]);
        let told: Vec<usize> = (0..40).filter(|&t| response.get(t, "outside") == 1).collect();
        let written = (0..40).find_map(|t| found(&chip, &response, t)).unwrap().0;
        assert_eq!(told, if outside { vec![written] } else { vec![] }, "{way:?} {row}");
    }
}

#[test]
fn it_costs_four_multipliers_and_no_block_ram() {
    let cells = cells(&emit(&mut dut(&Geometry::ULX3S_85F_SDRAM), "dut").unwrap(), Family::Ecp5).unwrap();
    println!("{cells:?}");
    assert_eq!(cells.get("MULT18X18D"), Some(&4), "{cells:?}");
    assert_eq!(cells.get("DP16KD"), None, "{cells:?}");
}
