//! Faults of fields and addresses.

use super::{Plant, edited, moved, place, plant};
use lpu_isa::image::Image;
use lpu_isa::instruction::*;
use lpu_verifier::{Location, Rule};

pub fn plants(image: &Image) -> Vec<Plant> {
    let mut all = fields(image);
    all.extend(rows(image));
    all.extend(granules(image));
    all
}

fn fields(image: &Image) -> Vec<Plant> {
    let transfer = |way, change: fn(&mut Transfer)| moved(image, way, |_, transfer| change(transfer));
    vec![
        plant("a run without rows", transfer(Way::Weights, |transfer| transfer.run = 0), |rule| {
            matches!(rule, Rule::Field { field: "run", found: 0, .. })
        }),
        plant("blocks without codes", transfer(Way::Weights, |transfer| transfer.blocks = 0), |rule| {
            matches!(rule, Rule::Field { field: "blocks", found: 0, .. })
        }),
        plant(
            "keys that go back as codes",
            transfer(Way::FromKv, |transfer| (transfer.format, transfer.blocks) = (Format::Codes4, 1)),
            |rule| matches!(rule, Rule::Field { field: "format", .. }),
        ),
        plant("rows with an offset", transfer(Way::Kv, |transfer| transfer.offset_codes = true), |rule| {
            matches!(rule, Rule::Field { field: "offset_codes", .. })
        }),
        plant(
            "a row that the token chooses",
            transfer(Way::Vmem, |transfer| transfer.row_number_step = 1),
            |rule| matches!(rule, Rule::Field { field: "row_number_step", .. }),
        ),
        plant(
            "a granule written that the token chooses",
            transfer(Way::FromKv, |transfer| transfer.step_by = StepBy::Token),
            |rule| matches!(rule, Rule::Field { field: "step_by", .. }),
        ),
        plant("an interval", moved(image, Way::Kv, |control, _| control.interval = 2), |rule| {
            matches!(rule, Rule::Field { field: "interval", found: 2, .. })
        }),
        plant(
            "part of a run",
            moved(image, Way::Weights, |control, _| control.count.constant += 1),
            |rule| matches!(rule, Rule::PartialRun { .. }),
        ),
        plant(
            "a transfer of no granule",
            moved(image, Way::Weights, |control, _| control.count = Affine::default()),
            |rule| matches!(rule, Rule::Count { count: 0 }),
        ),
    ]
}

fn rows(image: &Image) -> Vec<Plant> {
    let geometry = image.geometry;
    let row = |way, row: usize| moved(image, way, |_, transfer| transfer.row = row as u32);
    vec![
        plant("keys beyond KV memory", row(Way::Kv, geometry.kv_rows - 4), |rule| {
            matches!(rule, Rule::Address { location: Location::KvRow(_), .. })
        }),
        plant("keys that go back from beyond KV memory", row(Way::FromKv, geometry.kv_rows - 4), |rule| {
            matches!(rule, Rule::Address { location: Location::KvRow(_), .. })
        }),
        plant("an embedding beyond vector memory", row(Way::Vmem, geometry.vmem_rows - 1), |rule| {
            matches!(rule, Rule::Address { location: Location::VmemRow(_), .. })
        }),
        plant("keys before KV memory", moved(image, Way::Kv, |_, transfer| transfer.row_step = -4), |rule| {
            matches!(rule, Rule::Address { location: Location::KvRow(..0), .. })
        }),
        plant("logits that nobody computed", row(Way::FromVmem, geometry.vmem_rows - 8), |rule| {
            matches!(rule, Rule::Undriven { location: Location::VmemRow(_) })
        }),
        plant(
            "a matrix that does not come",
            edited(image, Queue::Transfer, |program| {
                let at = place(program, Way::Weights, false);
                program[at].op = Op::Nop(Nop {});
                program[at].control.delay = Affine::fixed(8);
            }),
            |rule| matches!(rule, Rule::Undriven { location: Location::WeightRow(_) }),
        ),
    ]
}

fn granules(image: &Image) -> Vec<Plant> {
    let geometry = image.geometry;
    let outside: fn(&Rule) -> bool = |rule| matches!(rule, Rule::DramAddress { .. });
    let nothing: fn(&Rule) -> bool = |rule| matches!(rule, Rule::Undriven { location: Location::Granule(_) });
    let held = image.dram.len() / geometry.granule_bytes();
    let shortened = Image { dram: image.dram[..image.dram.len() - 1].to_vec(), ..image.clone() };
    let cut = held - 2 - image.model.vocab as usize / 2;
    let cut = Image { dram: image.dram[..cut * geometry.granule_bytes()].to_vec(), ..image.clone() };
    vec![
        plant(
            "an embedding outside the memory for the last token",
            moved(image, Way::Vmem, |_, transfer| transfer.address_step = u32::from(u16::MAX)),
            outside,
        ),
        plant(
            "an embedding that the image does not hold for the last token",
            moved(image, Way::Vmem, |_, transfer| {
                transfer.address = held as u32 - image.model.vocab + 1;
                transfer.address_step = 1;
            }),
            nothing,
        ),
        plant(
            "logits outside the memory at the last position",
            moved(image, Way::FromVmem, |_, transfer| {
                transfer.step_by = StepBy::Position;
                transfer.address_step =
                    (geometry.dram_granules as u32 - transfer.address) / (image.model.context - 1);
            }),
            outside,
        ),
        plant(
            "logits outside the memory in a late trip",
            moved(image, Way::FromVmem, |control, transfer| {
                transfer.address = (geometry.dram_granules as i32 - control.count.constant) as u32 - 1;
            }),
            outside,
        ),
        plant(
            "weights that the image does not hold",
            moved(image, Way::Weights, |_, transfer| transfer.address = held as u32 - 1),
            nothing,
        ),
        plant(
            "logits over the weights of the image",
            moved(image, Way::FromVmem, |_, transfer| transfer.address = held as u32 / 2),
            |rule| matches!(rule, Rule::GranuleLost { .. }),
        ),
        plant("weights that the image does not hold in the last trip", shortened, nothing),
        plant("weights that the image does not hold in a late trip", cut, nothing),
        plant(
            "granules before the memory",
            edited(image, Queue::Transfer, |program| {
                for instruction in program {
                    if let Op::EndLoop(end) = &mut instruction.op {
                        end.first_step = -(1 << 20);
                    }
                }
            }),
            outside,
        ),
    ]
}
