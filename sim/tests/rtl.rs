//! The Verilated chips pass what every device passes, and agree with the emulator in every write.
#![cfg(feature = "rtl")]

use lpu_isa::Geometry;
use lpu_sim::device::RunRequest;
use lpu_sim::device::conformance::{conformance, programs};
use lpu_sim::lockstep::lockstep;
use lpu_sim::rtl::chip;
use lpu_sim::{Emulator, PortDevice};

#[test]
fn the_nano_chip_conforms() {
    let mut device = chip(&Geometry::NANO).expect("RTL of this chip exists");
    conformance(&mut device, &Geometry::NANO).unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn the_full_chip_conforms() {
    let mut device = chip(&Geometry::ULX3S_85F).expect("RTL of this chip exists");
    conformance(&mut device, &Geometry::ULX3S_85F).unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn the_chip_with_external_memory_conforms() {
    let mut device = chip(&Geometry::NANO_SDRAM).expect("RTL of this chip exists");
    conformance(&mut device, &Geometry::NANO_SDRAM).unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn every_write_of_the_chips_is_the_emulators() {
    for geometry in Geometry::ALL.into_iter().chain([Geometry::NANO_SDRAM]) {
        for image in [programs::counting(&geometry), programs::attention(&geometry)] {
            let mut emulator = PortDevice::new(Emulator::new(geometry));
            let mut rtl = chip(&geometry).expect("RTL of this chip exists");
            let agreement = lockstep(&mut emulator, &mut rtl, &image, &RunRequest::greedy(&[1, 2, 3], 8))
                .unwrap_or_else(|failure| panic!("{}: {failure}", geometry.name));
            assert_eq!(agreement.positions, 8);
        }
    }
}
