//! How many block RAMs and multipliers a design has, and where: counted in the emitted tree, without synthesis.
//!
//! Both are instantiated primitives (see [`crate::primitives`]), so synthesis adds none and takes none away; lookup
//! tables and flip-flops are its own affair and cannot be counted here.
//!
//! ```
//! use lpu_hdl::{census::census, chip};
//! use lpu_isa::Geometry;
//!
//! let counts = census(&chip::emit(&Geometry::NANO, "lpu")?);
//! assert_eq!(counts[""].block_rams, counts["matrix"].block_rams + counts["vector"].block_rams);
//! # Ok::<(), lpu_hdl::emit::EmitError>(())
//! ```

use crate::dialect::Role;
use crate::emit::Design;
use std::collections::BTreeMap;

/// Vendor cells of an instance and all inside of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// `DP16KD`, called EBR by the vendor: 18 Kbit each.
    pub block_rams: usize,
    /// `MULT18X18D`: half a DSP slice each.
    pub multipliers: usize,
}

/// The counts of every instance that has any, by its path below the top; the top's own path is empty.
pub fn census(design: &Design) -> BTreeMap<String, Count> {
    let mut counts = BTreeMap::<String, Count>::new();
    for (path, role) in design.cells() {
        for inside in path.ancestors() {
            let count = counts.entry(inside.to_string()).or_default();
            count.block_rams += usize::from(role == Role::BlockRam);
            count.multipliers += usize::from(role == Role::Multiplier);
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip;
    use lpu_isa::Geometry;
    use std::process::Command;

    fn of(geometry: &Geometry) -> BTreeMap<String, Count> {
        census(&chip::emit(geometry, "lpu").unwrap())
    }

    #[test]
    fn the_full_chip_fits_the_ecp5_85f() {
        let counts = of(&Geometry::ULX3S_85F);
        assert_eq!(counts[""], Count { block_rams: 200, multipliers: 149 });
        assert_eq!(counts["matrix"], Count { block_rams: 192, multipliers: 128 });
        assert_eq!(counts["vector"], Count { block_rams: 8, multipliers: 17 });
        assert_eq!(counts["icu"], Count { block_rams: 0, multipliers: 4 });
        // The device has 208 and 156.
        assert!(counts[""].block_rams <= 208 && counts[""].multipliers <= 156);
    }

    /// A block RAM has nine bits in each of 2048 places: no memory costs more than its bits need.
    #[test]
    fn memories_take_the_block_rams_that_their_bits_need() {
        for geometry in Geometry::ALL {
            let Geometry { mxm_lanes, vxm_lanes, weight_rows, kv_rows, vmem_rows, .. } = geometry;
            let bits = 9 * mxm_lanes * (weight_rows + kv_rows) + 18 * vxm_lanes * vmem_rows;
            assert_eq!(of(&geometry)[""].block_rams, bits.div_ceil(9 * 2048), "{}", geometry.name);
        }
    }

    /// Yosys' own elaboration of the same text, hierarchy and all.
    #[test]
    fn yosys_counts_the_same() {
        let design = chip::emit(&Geometry::NANO, "lpu").unwrap();
        let path = std::env::temp_dir().join(format!("lpu-census-{}.sv", std::process::id()));
        std::fs::write(&path, design.verilog()).unwrap();
        let script =
            format!("read_verilog -sv -D LPU_ECP5 {}; hierarchy -top lpu; stat -top lpu", path.display());
        let output = Command::new("yosys").args(["-p", &script]).output().unwrap();
        std::fs::remove_file(&path).unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let (_, totals) = text.rsplit_once("=== design hierarchy ===").expect("Yosys prints totals");
        let total = |cell: &str| {
            let line = totals.lines().find(|line| line.split_whitespace().next() == Some(cell));
            line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
        };
        let found = Count { block_rams: total("DP16KD"), multipliers: total("MULT18X18D") };
        assert_eq!(census(&design)[""], found);
    }
}
