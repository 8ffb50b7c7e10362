//! What a design costs: cells of the synthesised netlist, counted by slice of the machine.

use super::Error;
use super::description::Device;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;

/// Amounts of what an FPGA consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cells {
    pub lut: u64,
    pub ff: u64,
    pub ebr: u64,
    pub dsp: u64,
}

impl AddAssign for Cells {
    fn add_assign(&mut self, other: Self) {
        self.lut += other.lut;
        self.ff += other.ff;
        self.ebr += other.ebr;
        self.dsp += other.dsp;
    }
}

impl Cells {
    /// What the device has.
    pub fn of_device(device: &Device) -> Self {
        Self { lut: device.lut, ff: device.ff, ebr: device.ebr, dsp: device.dsp }
    }

    /// What one cell of the ECP5 library takes. A carry cell is two tables; a RAM of 16 x 4 is four, and two more drive
    /// its write port.
    fn of_cell(kind: &str) -> Self {
        let lut = |lut| Self { lut, ..Self::default() };
        match kind {
            "LUT4" => lut(1),
            "CCU2C" => lut(2),
            "TRELLIS_DPR16X4" => lut(6),
            "TRELLIS_FF" => Self { ff: 1, ..Self::default() },
            "DP16KD" => Self { ebr: 1, ..Self::default() },
            "MULT18X18D" => Self { dsp: 1, ..Self::default() },
            _ => Self::default(),
        }
    }

    /// Name, amount and amount in `device` of what there is more of than the device has.
    pub fn beyond(&self, device: &Cells) -> Option<(&'static str, u64, u64)> {
        let pairs = [
            ("LUT", self.lut, device.lut),
            ("flip-flops", self.ff, device.ff),
            ("block RAM (EBR)", self.ebr, device.ebr),
            ("multipliers (DSP)", self.dsp, device.dsp),
        ];
        pairs.into_iter().find(|(_, used, there)| used > there)
    }
}

/// A slice of the machine, as ARCHITECTURE.md lists them, and what is around the chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Slice {
    Icu,
    Mem,
    Mxm,
    Vxm,
    Sxm,
    Seq,
    Board,
}

/// Instances, from the top, and the slice that they and all within belong to; the longest match counts.
const SLICES: [(&str, Slice); 19] = [
    ("", Slice::Board),
    ("chip.", Slice::Seq),
    ("chip.icu.", Slice::Icu),
    ("chip.matrix_dispatch.", Slice::Icu),
    ("chip.vector_dispatch.", Slice::Icu),
    ("chip.matrix_payload.", Slice::Icu),
    ("chip.vector_payload.", Slice::Icu),
    ("chip.matrix.", Slice::Mxm),
    ("chip.matrix.address.", Slice::Mem),
    ("chip.matrix.host.", Slice::Mem),
    ("chip.matrix.chunk_", Slice::Mem),
    ("chip.matrix.group$*.bank$", Slice::Mem),
    ("chip.vector.", Slice::Vxm),
    ("chip.vector.steps.", Slice::Sxm),
    ("chip.vector.distribute.", Slice::Sxm),
    ("chip.vector.reductions.", Slice::Sxm),
    ("chip.vector.comparison.", Slice::Sxm),
    ("chip.vector.first_12.", Slice::Sxm),
    ("chip.vector.last_12.", Slice::Sxm),
];

impl Slice {
    /// Every slice.
    pub const ALL: [Slice; 7] =
        [Self::Icu, Self::Mem, Self::Mxm, Self::Vxm, Self::Sxm, Self::Seq, Self::Board];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Icu => "ICU",
            Self::Mem => "MEM",
            Self::Mxm => "MXM",
            Self::Vxm => "VXM",
            Self::Sxm => "SXM",
            Self::Seq => "SEQ",
            Self::Board => "board",
        }
    }

    /// The slice of a cell, by its name in the flat netlist.
    pub fn of_cell(name: &str) -> Self {
        let longest =
            SLICES.iter().filter(|(start, _)| matches(name, start)).max_by_key(|(start, _)| start.len());
        longest.map_or(Self::Board, |(_, slice)| *slice)
    }
}

/// Whether `name` begins with `start`, in which `*` stands for any number.
fn matches(name: &str, start: &str) -> bool {
    match start.split_once('*') {
        None => name.starts_with(start),
        Some((before, after)) => name
            .strip_prefix(before)
            .is_some_and(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(after)),
    }
}

/// What a design costs in all and by slice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    pub total: Cells,
    pub slices: BTreeMap<Slice, Cells>,
}

impl Resources {
    /// Counts the cells of Yosys's JSON.
    pub fn count(json: &str) -> Result<Self, Error> {
        let netlist: Netlist = serde_json::from_str(json)
            .map_err(|error| Error::Failed(format!("Yosys's netlist is not as expected: {error}")))?;
        let top = netlist.modules.0.into_values().last().unwrap_or_default();
        let mut resources = Self::default();
        for (name, kind) in top.cells.0 {
            let cells = Cells::of_cell(&kind.kind);
            resources.total += cells;
            *resources.slices.entry(Slice::of_cell(&name)).or_default() += cells;
        }
        Ok(resources)
    }
}

/// The part of Yosys's JSON that is read. The whole is a hundred megabytes; nothing else is kept.
#[derive(Deserialize)]
struct Netlist {
    modules: Modules,
}

#[derive(Deserialize, Default)]
struct Module {
    #[serde(default)]
    cells: Named<Cell>,
}

#[derive(Deserialize, Default)]
struct Cell {
    #[serde(rename = "type")]
    kind: String,
}

/// The one module that is no description of a library cell.
struct Modules(BTreeMap<String, Module>);

/// A JSON object in order of names.
#[derive(Default)]
struct Named<T>(Vec<(String, T)>);

impl<'de> Deserialize<'de> for Modules {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TopOnly;
        impl<'de> Visitor<'de> for TopOnly {
            type Value = Modules;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("modules by name")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Modules, A::Error> {
                let mut kept = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == lpu_hdl::board::TOP {
                        kept.insert(name, map.next_value()?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Modules(kept))
            }
        }
        deserializer.deserialize_map(TopOnly)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Pairs<T> {
            type Value = Named<T>;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("entries by name")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named<T>, A::Error> {
                let mut pairs = vec![];
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Named(pairs))
            }
        }
        deserializer.deserialize_map(Pairs(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_belong_to_the_innermost_slice() {
        let cases = [
            ("chip.matrix.group$3.lane$1.multiplier.multiplier", Slice::Mxm),
            ("chip.matrix.group$12.bank$0.weights.block", Slice::Mem),
            ("chip.matrix.chunk_word$0.word_TRELLIS_FF_Q_1", Slice::Mem),
            ("chip.vector.group$0.lane$3.sum_CCU2C_S0", Slice::Vxm),
            ("chip.vector.reductions.sfu.table_LUT4_Z", Slice::Sxm),
            ("chip.icu.matrix.fetch.words", Slice::Icu),
            ("chip.run.records.memory", Slice::Seq),
            ("power_on.count_TRELLIS_FF_Q_3", Slice::Board),
            ("soc.run_TRELLIS_FF_Q", Slice::Board),
        ];
        for (name, slice) in cases {
            assert_eq!(Slice::of_cell(name), slice, "{name}");
        }
    }

    #[test]
    fn a_netlist_is_counted_without_its_library() {
        let json = r#"{"creator": "Yosys", "modules": {
            "LUT4": {"ports": {}, "cells": {"inner": {"type": "LUT4"}}},
            "board": {"attributes": {"top": 1}, "cells": {
                "chip.icu.a": {"hide_name": 0, "type": "LUT4", "connections": {"A": [1, "0"]}},
                "chip.icu.b": {"type": "TRELLIS_DPR16X4"},
                "chip.matrix.sums.c": {"type": "CCU2C"},
                "d": {"type": "TRELLIS_FF"},
                "e": {"type": "EHXPLLL"}},
             "netnames": {}}}}"#;
        let found = Resources::count(json).unwrap();
        assert_eq!(found.total, Cells { lut: 9, ff: 1, ebr: 0, dsp: 0 });
        assert_eq!(found.slices[&Slice::Icu].lut, 7);
        assert_eq!(found.slices[&Slice::Mxm].lut, 2);
        assert_eq!(found.slices[&Slice::Board].ff, 1);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let device = Cells { lut: 100, ff: 100, ebr: 10, dsp: 10 };
        assert_eq!(Cells { lut: 100, ff: 0, ebr: 10, dsp: 0 }.beyond(&device), None);
        assert_eq!(
            Cells { lut: 1, ff: 0, ebr: 11, dsp: 0 }.beyond(&device),
            Some(("block RAM (EBR)", 11, 10))
        );
    }
}
