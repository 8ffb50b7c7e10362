//! The reductions' steps against their model, on a new input every cycle.

use super::*;
use crate::bench::{Bench, Random};
use crate::emit::emit;

/// Chips without external memory and with it, as large as the widths of this package allow.
const CHIPS: [Geometry; 2] =
    [Geometry::NANO, Geometry { vmem_rows: 512, act_entries: 16, ..Geometry::NANO_SDRAM }];
const CHIP: Geometry = CHIPS[0];
const POSITION: u64 = 421;

/// The fields of an instruction, in the ports' names, and its loop offset.
fn instruction(random: &mut Random) -> Vec<(&'static str, u64)> {
    let mut below = |limit: u64| random.below(limit);
    vec![
        ("destination", below(6)),
        ("half", below(2)),
        ("sub", below(16)),
        ("sub_advance", below(2)),
        ("entry", below(16)),
        ("entry_continue", below(2)),
        ("entry_advance", below(2)),
        ("start", below(40)),
        ("length", below(2)),
        ("period", below(8)),
        ("start_step", below(5)),
        ("row", below(1100)),
        ("row_step", below(40).wrapping_sub(20) & 0xff_ffff),
        ("row_offset", below(2)),
        ("positions", below(12)),
        ("offset_second", below(100).wrapping_sub(50) & 0xff_ffff),
    ]
}

fn signed(value: u64) -> i64 {
    (value << 40) as i64 >> 40
}

/// What must stand in cycle 13: destination, row, entry if any, mask, half, part; and whether the row is outside.
struct Sent {
    destination: u64,
    row: i64,
    entry: u64,
    mask: u64,
    half: u64,
    part: u64,
}

fn sent(chip: &Geometry, fields: &[(&str, u64)], k: i64, following: &mut u64, entry: &mut u64) -> Sent {
    let get = |name: &str| fields.iter().find(|field| field.0 == name).map_or(0, |field| field.1);
    let destination = get("destination");
    let is = |choice: Destination| destination == choice as u64;
    let kv = is(Destination::Key) || is(Destination::Value);
    let positions = get("positions");
    let moved = if is(Destination::Key) {
        (POSITION & ((1 << positions) - 1)) * (CHIP.halves() as u64 >> positions)
    } else {
        0
    };
    let start = get("start") as i64 + k * get("start_step") as i64 + moved as i64;
    let written = |h: i64| (h - start).rem_euclid(1 << get("period")) < 1 << get("length");
    if is(Destination::Act) {
        *entry = match (k, get("entry_continue"), get("entry_advance")) {
            (0, 0, _) => get("entry"),
            (0, ..) | (_, _, 1) => *following,
            _ => *entry,
        };
        *following = (*entry + 1) % CHIP.act_entries as u64;
    }
    let offset = if get("row_offset") == 1 { signed(get("offset_second")) } else { 0 };
    let moves = kv || chip.has_external_memory();
    let index = if kv { (POSITION >> positions) as i64 } else { 0 } + if moves { offset } else { 0 };
    Sent {
        destination,
        row: get("row") as i64 + k * signed(get("row_step")) + index,
        entry: *entry,
        mask: (0..CHIP.halves() as i64).filter(|&h| written(h)).fold(0, |mask, h| mask | 1 << h),
        half: get("half"),
        part: (get("sub") + if get("sub_advance") == 1 { k as u64 } else { 0 }) % 16,
    }
}

#[test]
fn destinations_step_as_the_instruction_says() {
    CHIPS.iter().for_each(destinations_step);
}

fn destinations_step(chip: &Geometry) {
    let bench = Bench::new(&emit(&mut Steps::new(chip), "steps").unwrap()).unwrap();
    let mut random = Random::from_seed_variable();
    let (mut stimulus, mut expected) = (bench.stimulus(), vec![]);
    let (mut following, mut entry) = (0, 0);
    for _ in 0..4000 {
        let fields = instruction(&mut random);
        for k in 0..1 + random.below(5) as i64 {
            for pause in (0..1 + random.below(2)).rev() {
                stimulus.cycle().set("position", POSITION);
                fields.iter().for_each(|(name, value)| {
                    stimulus.set(name, *value);
                });
                stimulus.set("issue", (pause == 0).into()).set("first", (k == 0).into());
                expected.push((pause == 0).then(|| sent(chip, &fields, k, &mut following, &mut entry)));
            }
        }
    }
    let response = bench.run(stimulus.idle(Steps::LATENCY)).unwrap();
    let strobes = ["", "act_12", "key_12", "value_12", "vmem_12", "argmax_12"];
    for (t, wanted) in expected.iter().enumerate() {
        let at = |name: &str| response.get(t + Steps::LATENCY, name);
        let destination = wanted.as_ref().map_or(0, |wanted| wanted.destination);
        for (code, strobe) in strobes.iter().enumerate().skip(1) {
            assert_eq!(
                response.get(t + Steps::LATENCY - 1, strobe) == 1,
                destination == code as u64,
                "cycle {t}: {strobe}"
            );
        }
        assert_eq!(at("lane_13"), POSITION % CHIP.vxm_lanes as u64, "cycle {t}");
        let Some(wanted) = wanted.as_ref().filter(|wanted| wanted.destination != 0) else { continue };
        let found = (at("row_13"), at("half_13"), at("part_13"));
        assert_eq!(found, (wanted.row as u64 & 0xff_ffff, wanted.half, wanted.part), "cycle {t}");
        if destination == Destination::Act as u64 {
            assert_eq!(at("entry_13"), wanted.entry, "cycle {t}");
        }
        if destination == Destination::Act as u64 || destination == Destination::Key as u64 {
            assert_eq!(at("mask_13"), wanted.mask, "cycle {t}");
        }
        let outside = |rows: usize| !(0..rows as i64).contains(&wanted.row);
        let faults = (response.get(t + 5, "vmem_outside") == 1, response.get(t + 5, "kv_outside") == 1);
        let is_kv = destination == Destination::Key as u64 || destination == Destination::Value as u64;
        let is_vmem = destination == Destination::Vmem as u64;
        assert_eq!(faults, (is_vmem && outside(CHIP.vmem_rows), is_kv && outside(CHIP.kv_rows)), "cycle {t}");
    }
}

/// Needs no model: without issues there is no strobe and no fault, whatever the payload says.
#[test]
fn nothing_happens_without_an_issue() {
    let bench = Bench::new(&emit(&mut Steps::new(&CHIP), "steps").unwrap()).unwrap();
    let mut random = Random::from_seed_variable();
    let mut stimulus = bench.stimulus();
    for _ in 0..200 {
        stimulus.cycle().set("first", 1);
        for (name, value) in instruction(&mut random) {
            stimulus.set(name, value);
        }
    }
    let response = bench.run(&stimulus).unwrap();
    let names = ["act_12", "key_12", "value_12", "vmem_12", "argmax_12", "vmem_outside", "kv_outside"];
    assert!((0..200).all(|t| names.iter().all(|name| response.get(t, name) == 0)));
}
