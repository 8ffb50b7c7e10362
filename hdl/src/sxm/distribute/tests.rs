//! The ways of a result against their model, on a new input every cycle.

use super::*;
use crate::bench::{Bench, Random, Response};
use crate::emit::emit;
use lpu_isa::arith::{kv_encode, saturate};

/// One result row and where it goes.
#[derive(Clone, Debug)]
struct Row {
    /// 0 to 3: `act`, `key`, `value`, `vmem`; 4: nowhere.
    to: usize,
    row: u64,
    entry: u64,
    mask: u64,
    half: bool,
    part: usize,
    lane: u64,
    result: Vec<i64>,
}

fn rows(chip: &Geometry, count: usize) -> Vec<Row> {
    let mut random = Random::from_seed_variable();
    let mut row = || {
        // Rows whose lanes all have about one width, so that some fit their destination and some do not.
        let bits = 8 + random.below(16) as u32;
        Row {
            to: random.below(5) as usize,
            row: random.below(512),
            entry: random.below(16),
            mask: random.unsigned(chip.halves() as u32),
            half: random.below(2) == 1,
            part: random.below(16) as usize,
            lane: random.below(chip.vxm_lanes as u64),
            result: (0..chip.vxm_lanes).map(|_| random.signed(bits)).collect(),
        }
    };
    (0..count).map(|_| row()).collect()
}

fn stream(chip: &Geometry, rows: &[Row]) -> Response {
    let bench = Bench::new(&emit(&mut Distribute::new(chip), "distribute").unwrap()).unwrap();
    let mut stimulus = bench.stimulus();
    for t in 0..rows.len() + 1 {
        stimulus.cycle();
        // Strobes come a cycle before what belongs to them.
        for (index, name) in ["act", "key", "value", "vmem"].into_iter().enumerate() {
            stimulus.set(name, rows.get(t).is_some_and(|row| row.to == index).into());
        }
        let Some(row) = t.checked_sub(1).map(|t| &rows[t]) else { continue };
        stimulus.set("lane", row.lane).set("row", row.row).set("entry", row.entry).set("mask", row.mask);
        stimulus.set("half", row.half.into()).set("part", row.part as u64);
        for (lane, value) in row.result.iter().enumerate() {
            stimulus.set_signed(&format!("result${lane}"), *value);
        }
    }
    bench.run(stimulus.idle(4)).unwrap()
}

fn lanes(response: &Response, cycle: usize, name: &str, count: usize) -> Vec<i64> {
    (0..count).map(|lane| response.signed(cycle, &format!("{name}${lane}"))).collect()
}

/// The KV codes that are sent, in the lowest bits of lanes.
fn sent_codes(response: &Response, cycle: usize, count: usize) -> Vec<i64> {
    (0..count).map(|lane| response.low_signed(cycle, &format!("sent${lane}"), 9)).collect()
}

/// The row that is sent: a half in both halves, or all of it.
fn sent(row: &Row) -> Vec<i64> {
    let half = row.result.len() / 2;
    let lane = |lane: usize| if row.half { row.part % 2 * half + lane % half } else { lane };
    (0..2 * half).map(|l| row.result[lane(l)]).collect()
}

/// The copies of the groups say what the row does to each of them.
fn check_groups(chip: &Geometry, response: &Response, cycle: usize, row: &Row) {
    let half = chip.vxm_lanes / 2;
    for group in 0..chip.groups() {
        let at = |name: &str| response.get(cycle, &format!("{name}${group}"));
        let written = row.mask >> (2 * group) & 3;
        let lane = |lane: &usize| match row.to {
            1 => written >> (lane / half) & 1 == 1,
            2 => *lane as u64 == row.lane,
            _ => false,
        };
        let lanes = (0..chip.vxm_lanes).filter(lane).fold(0, |lanes, lane| lanes | 1 << lane);
        assert_eq!(at("group_act_write"), if row.to == 0 { written } else { 0 }, "cycle {cycle}");
        assert_eq!((at("group_act_entry"), at("group_kv_write")), (row.entry, lanes), "cycle {cycle}");
        assert_eq!(at("group_row"), row.row, "cycle {cycle}");
        assert_eq!(at("group_kv_transposed") == 1, row.to == 2, "cycle {cycle}");
    }
}

fn check(chip: &Geometry) {
    let rows = rows(chip, 5000);
    let response = stream(chip, &rows);
    let count = chip.vxm_lanes;
    for (t, row) in rows.iter().enumerate() {
        let t = t + 1;
        let at = |name: &str, cycles: usize| response.get(t + cycles, name);
        let z = sent(row);
        let limited = |row: &[i64], bits: u32| row.iter().map(|x| saturate(*x, bits)).collect::<Vec<i64>>();
        assert_eq!(at("act_write", 2), if row.to == 0 { row.mask } else { 0 }, "cycle {t}");
        assert_eq!(at("vmem_store", 1) == 1, row.to == 3, "cycle {t}");
        assert_eq!(at("kv_write", 2) == 1, row.to == 1 || row.to == 2, "cycle {t}");
        let (over, bits) = match row.to {
            0 => {
                let found = (at("act_entry", 2), lanes(&response, t + 2, "sent", count));
                assert_eq!(found, (row.entry, limited(&z, 16)), "cycle {t}");
                (z, 16)
            }
            1 | 2 => {
                let groups = chip.groups();
                let part = |group: usize| row.result[(row.part * groups + group) % count];
                let code = |x: i64| i64::from(kv_encode(x as i32));
                let values = row.to == 2;
                let codes = if values { (0..groups).map(part).collect() } else { z.clone() };
                let codes: Vec<i64> = codes.into_iter().map(code).collect();
                assert_eq!(sent_codes(&response, t + 2, codes.len()), codes, "cycle {t}");
                assert_eq!((at("kv_row", 2), at("kv_value_mode", 2)), (row.row, values.into()), "cycle {t}");
                assert_eq!(at("kv_halves", 2), row.mask, "cycle {t}");
                assert_eq!(at("kv_lane", 2), row.lane, "cycle {t}");
                (if values { row.result.clone() } else { z }, 10)
            }
            3 => {
                let found = (at("vmem_row", 1), lanes(&response, t + 1, "vmem_word", count));
                assert_eq!(found, (row.row, limited(&row.result, 18)), "cycle {t}");
                (row.result.clone(), 18)
            }
            _ => {
                assert!(lanes(&response, t + 1, "vmem_word", count).iter().all(|word| *word == 0));
                (vec![], 18)
            }
        };
        check_groups(chip, &response, t + Distribute::LATENCY, row);
        let over = over.iter().any(|x| saturate(*x, bits) != *x);
        assert_eq!(at("saturated", 3) == 1, over, "cycle {t}: {row:?}");
    }
}

#[test]
fn rows_reach_their_destination() {
    Geometry::ALL.iter().for_each(check);
}

/// Needs no model: with one half taken twice, both halves of the activation row are the same.
#[test]
fn a_half_taken_twice_is_twice_the_same() {
    let chip = &Geometry::NANO;
    let rows: Vec<Row> = rows(chip, 500).into_iter().map(|row| Row { to: 0, half: true, ..row }).collect();
    let response = stream(chip, &rows);
    for t in 0..rows.len() {
        let act = lanes(&response, 1 + t + Distribute::LATENCY, "sent", chip.vxm_lanes);
        let (lower, upper) = act.split_at(chip.vxm_lanes / 2);
        assert_eq!(lower, upper, "cycle {t}");
    }
}

/// The host's lanes come out in every vector row's place, to the half rows that it names.
#[test]
fn the_host_writes_half_rows() {
    for chip in Geometry::ALL {
        let bench = Bench::new(&emit(&mut Distribute::new(&chip), "distribute").unwrap()).unwrap();
        let mut random = Random::from_seed_variable();
        let mut stimulus = bench.stimulus();
        let writes: Vec<(bool, u64, u64, Vec<i64>)> = (0..500)
            .map(|_| {
                let halves = random.unsigned(chip.halves() as u32);
                let lanes = (0..8).map(|_| random.signed(9)).collect();
                (random.below(2) == 1, random.below(512), halves, lanes)
            })
            .collect();
        for (kv, row, halves, words) in &writes {
            let strobe = if *kv { "host_kv_write" } else { "host_weight_write" };
            stimulus.cycle().set(strobe, 1).set("host_write_row", *row).set("host_halves", *halves);
            for (lane, word) in words.iter().enumerate() {
                stimulus.set_signed(&format!("host_lane${lane}"), *word);
            }
        }
        let response = bench.run(stimulus.idle(4)).unwrap();
        let half = chip.vxm_lanes / 2;
        for (t, (kv, row, halves, words)) in writes.iter().enumerate() {
            let t = t + Distribute::LATENCY;
            let codes: Vec<i64> = (0..chip.vxm_lanes).map(|lane| words[lane % 8]).collect();
            assert_eq!(sent_codes(&response, t, codes.len()), codes, "cycle {t}");
            for group in 0..chip.groups() {
                let at = |name: &str| response.get(t, &format!("{name}${group}"));
                let written = |lane: &usize| halves >> (2 * group + lane / half) & 1 == 1;
                let lanes = (0..chip.vxm_lanes).filter(written).fold(0, |lanes, lane| lanes | 1 << lane);
                let weights = halves >> (2 * group) & 3;
                let (lanes, weights) = if *kv { (lanes, 0) } else { (0, weights) };
                let found = (at("group_kv_write"), at("group_weight_write"), at("group_row"));
                assert_eq!(found, (lanes, weights, *row), "cycle {t}, group {group}");
                assert_eq!(at("group_kv_transposed"), 0, "cycle {t}, group {group}");
            }
            assert_eq!(response.get(t, "kv_write") + response.get(t - 1, "vmem_store"), 0, "cycle {t}");
        }
        let last = writes.len() + Distribute::LATENCY;
        assert_eq!(response.get(last, "group_kv_write$0"), 0);
    }
}
