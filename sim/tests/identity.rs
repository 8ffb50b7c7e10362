//! A device that is another chip than the image was made for is refused before anything is written to it.

use lpu_isa::Geometry;
use lpu_isa::host::{Register, Space};
use lpu_isa::image::Image;
use lpu_isa::instruction::ISA_HASH;
use lpu_sim::device::{Device, DeviceError, HostPort, HostWord, from_number};
use lpu_sim::{Emulator, PortDevice};

/// A small chip of which one register reads something else, and which counts what is written to its memories.
struct Other {
    chip: Emulator,
    register: Register,
    reads: u64,
    memory_writes: usize,
}

impl HostPort for Other {
    fn write(&mut self, space: Space, address: u32, words: &[HostWord]) -> Result<(), DeviceError> {
        self.memory_writes += usize::from(space != Space::Registers);
        self.chip.write(space, address, words)
    }

    fn read(&mut self, space: Space, address: u32, count: usize) -> Result<Vec<HostWord>, DeviceError> {
        if space == Space::Registers && address == self.register as u32 {
            return Ok(vec![from_number(self.reads)]);
        }
        self.chip.read(space, address, count)
    }
}

fn image() -> Image {
    let (matrix, vector, weights, vmem, tokenizer) = Default::default();
    Image { matrix, vector, weights, vmem, tokenizer, ..Image::empty(Geometry::NANO) }
}

/// What the host says of a device whose register reads a number.
fn refused(register: Register, reads: u64) -> String {
    let chip = Emulator::new(Geometry::NANO);
    let mut device = PortDevice::new(Other { chip, register, reads, memory_writes: 0 });
    let error = device.load(&image()).expect_err("it is another chip");
    assert_eq!(device.port().memory_writes, 0, "it was written to");
    error.to_string()
}

#[test]
fn another_instruction_set_is_refused() {
    assert_eq!(
        refused(Register::IsaHash, 0xabcd),
        format!(
            "expected a device for instruction set {ISA_HASH:016x}, found one for 000000000000abcd: its bitstream is of another \
             version; build it again with `lpu build` and load it with `lpu flash`"
        )
    );
}

#[test]
fn another_geometry_is_refused_by_name_if_it_has_one() {
    assert_eq!(
        refused(Register::GeometryHash, Geometry::ULX3S_85F.hash()),
        "expected a device of geometry `nano` for this image, found `ulx3s-85f`: compile the model for that device with \
         `lpu compile --geometry`, or load the bitstream of a board with `nano`"
    );
    let words = refused(Register::GeometryHash, 7);
    assert!(words.contains("found geometry 0000000000000007: "), "{words}");
}

#[test]
fn something_else_at_the_port_is_refused() {
    assert_eq!(
        refused(Register::Identity, 0),
        "expected the identity `LPU1` from the device, found 0000000000000000: check the port, and load the bitstream with \
         `lpu flash`"
    );
}

#[test]
fn the_bitstreams_number_is_read_from_the_chip() {
    let chip = Emulator::new(Geometry::NANO);
    let other = Other { chip, register: Register::Bitstream, reads: 0xfedc_ba98_7654_3210, memory_writes: 0 };
    let identity = PortDevice::new(other).identify().unwrap();
    assert_eq!(identity.bitstream, 0xfedc_ba98_7654_3210);
    assert_eq!(identity.geometry(), Some(Geometry::NANO));
}
