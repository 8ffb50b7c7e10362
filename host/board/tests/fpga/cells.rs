//! Cells do what the primitives do that Yosys makes of them: a new input every cycle, primitives as behaviour in Verilator beside
//! primitives as cells.

use crate::real_tools;

use lpu_board::{Tool, design};
use lpu_hdl::bench::{Bench, CLOCK, Random};
use lpu_hdl::emit::{Design, emit};
use lpu_hdl::primitives::{Ebr, LutRam, Multiplier, RoundShiftSat};
use lpu_sim::netlist::Machine;

/// A primitive as cells, or none where Yosys is missing and may be.
fn of_cells(primitive: &Design) -> Option<Machine> {
    let yosys = real_tools::tools(&[Tool::Yosys])?.find(Tool::Yosys).expect("it was found");
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    std::fs::write(folder.path().join("design.sv"), primitive.verilog()).expect("writable");
    let top = &primitive.top;
    let script = format!(
        "read_verilog -sv -D LPU_ECP5 design.sv; synth_ecp5 -top {top}; select {top}; json -o cells.json"
    );
    let status = yosys.command(folder.path()).args(["-q", "-p", &script]).status().expect("Yosys starts");
    assert!(status.success(), "Yosys refuses {top}");
    let json = std::fs::read_to_string(folder.path().join("cells.json")).expect("Yosys wrote it");
    let cells = design(&json, top).unwrap_or_else(|error| panic!("{error}"));
    Some(Machine::new(&cells, CLOCK).unwrap_or_else(|error| panic!("{error}")))
}

/// Feeds both so many inputs; `input` gives the value of a port. `complement` says of a cycle, from its inputs, whether its output
/// after `latency` cycles is the complement.
fn check(
    primitive: &Design,
    cycles: usize,
    mut input: impl FnMut(&mut Random, &str, u32) -> u64,
    latency: usize,
    complement: impl Fn(&dyn Fn(&str) -> u64) -> bool,
) {
    let Some(mut machine) = of_cells(primitive) else { return };
    let bench = Bench::new(primitive).unwrap_or_else(|error| panic!("{error}"));
    let (mut random, mut stimulus) = (Random::from_seed_variable(), bench.stimulus());
    let (mut found, mut turned) = (vec![], vec![false; latency]);
    for _ in 0..cycles {
        stimulus.cycle();
        for port in primitive.inputs.iter().filter(|port| port.name != CLOCK) {
            let value = input(&mut random, &port.name, port.width_bits as u32);
            stimulus.set(&port.name, value);
            machine.set(&port.name, value);
        }
        machine.settle();
        turned.push(complement(&|name| machine.get(name)));
        found.push(primitive.outputs.iter().map(|port| machine.get(&port.name)).collect::<Vec<_>>());
        machine.clock();
    }
    let response = bench.run(&stimulus).unwrap_or_else(|error| panic!("{error}"));
    for (cycle, found) in found.iter().enumerate() {
        for (port, found) in primitive.outputs.iter().zip(found) {
            let mask = if turned[cycle] { u64::MAX >> (64 - port.width_bits) } else { 0 };
            let expected = response.get(cycle, &port.name) ^ mask;
            assert_eq!(*found, expected, "{} of {} in cycle {cycle}", port.name, primitive.top);
        }
    }
}

/// Random bits, with the extremes of signed numbers mixed in.
fn any(random: &mut Random, _port: &str, bits: u32) -> u64 {
    match random.below(8) {
        0 => 1 << (bits - 1),
        1 => (1 << (bits - 1)) - 1,
        _ => random.unsigned(bits),
    }
}

#[test]
fn a_multiplier() {
    let primitive = emit(&mut Multiplier::default(), "multiplier").unwrap();
    check(&primitive, 1_000_000, any, 0, |_| false);
}

#[test]
fn tables_carries_and_flip_flops() {
    let primitive = emit(&mut RoundShiftSat::<36, 18, 5, 3>::default(), "round_shift_sat").unwrap();
    check(&primitive, 1_000_000, any, 0, |_| false);
}

#[test]
fn distributed_memory() {
    let primitive = emit(&mut LutRam::<6, 24, 2>::default(), "lut_ram").unwrap();
    check(&primitive, 200_000, any, 0, |_| false);
}

/// Where a read meets a write, the cell gives the complement of what the behaviour gives.
fn check_block<const A: usize, const D: usize, const L: usize>() {
    let primitive = emit(&mut Ebr::<A, D, L>::default(), "block_ram").unwrap();
    // Few words, so that many are read again; of all address bits.
    let input = |random: &mut Random, port: &str, bits: u32| match port.ends_with("address") {
        true => random.below(8) * ((1 << A) / 8) + random.below(2),
        false => random.unsigned(bits),
    };
    check(&primitive, 200_000, input, Ebr::<A, D, L>::LATENCY, |get| {
        get("read_address") == get("write_address") && get("write_enable") != 0
    });
}

#[test]
fn a_block_ram_in_every_shape() {
    check_block::<11, 9, 1>();
    check_block::<6, 7, 1>();
    check_block::<10, 18, 2>();
    check_block::<9, 36, 1>();
    check_block::<9, 36, 2>();
    check_block::<4, 36, 4>();
}
