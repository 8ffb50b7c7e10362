//! The size of a chip, as data. Compiler, emulator, verifier and RTL all read the same `Geometry`; no module
//! knows a chip by name.

use crate::instruction::Queue;

/// Lists the sizes of a chip: doc and name; then those that only chips with external memory have.
macro_rules! geometry {
    (
        $($(#[doc = $doc:literal])+ $size:ident;)+
        external: $($(#[doc = $xdoc:literal])+ $external:ident;)+
    ) => {
        /// The sizes from which one chip is made. Every count but that of positions is a power of two ([`Geometry::is_sound`]). Sizes of
        /// external memory are zero where there is none.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct Geometry {
            /// Name on the command line and in reports.
            pub name: &'static str,
            $($(#[doc = $doc])+ pub $size: usize,)+
            $($(#[doc = $xdoc])+ #[cfg(feature = "external")] pub $external: usize,)+
            /// Clock at which the tools quote tokens per second, in hertz.
            pub clock_hz: u64,
        }

        impl Geometry {
            /// Names and meanings of the sizes.
            pub const SIZES: &'static [(&'static str, &'static str)] = &[
                $((stringify!($size), concat!($($doc),+)),)+
                $(#[cfg(feature = "external")] (stringify!($external), concat!($($xdoc),+)),)+
            ];

            /// The first of these, which every chip has.
            const COMMON: usize = [$(stringify!($size)),+].len();

            /// The sizes, in the order of [`Geometry::SIZES`].
            pub const fn sizes(&self) -> [usize; Self::SIZES.len()] {
                [$(self.$size,)+ $(#[cfg(feature = "external")] self.$external,)+]
            }

            /// A chip without external memory whose sizes are still to be given.
            const ON_CHIP: Geometry = Geometry {
                name: "",
                $($size: 0,)+
                $(#[cfg(feature = "external")] $external: 0,)+
                clock_hz: 0,
            };

            /// The geometry of these sizes: one that has a name, or one named `virtual`; none when it cannot be described.
            #[cfg(feature = "external")]
            pub fn of_sizes(sizes: [usize; Self::SIZES.len()], clock_hz: u64) -> Option<Geometry> {
                let [$($size,)+ $($external),+] = sizes;
                let found = Geometry { name: "virtual", $($size,)+ $($external,)+ clock_hz };
                let known = Self::known().find(|known| (Geometry { name: found.name, ..*known }) == found);
                known.or_else(|| found.is_sound().then_some(found))
            }
        }
    };
}

geometry! {
    /// Products per cycle in the matrix unit (MXM); also the width of a weight or KV row.
    mxm_lanes;
    /// Width of the vector unit (VXM) and of a row of vector memory.
    vxm_lanes;
    /// Rows of weight memory, `mxm_lanes` x 9 bits each.
    weight_rows;
    /// Rows of KV memory, `mxm_lanes` x 9 bits each.
    kv_rows;
    /// Rows of vector memory (VMEM), `vxm_lanes` x 18 bits each.
    vmem_rows;
    /// Rows of the vector register file (VREG), `vxm_lanes` x 24 bits each.
    vreg_rows;
    /// Entries of the activation file (ACT), `mxm_lanes` x 16 bits each.
    act_entries;
    /// Scalars in each of the two written banks (maxima, reductions).
    scalars;
    /// Instructions that the matrix queue holds.
    matrix_queue_depth;
    /// Instructions that the vector queue holds.
    vector_queue_depth;
    /// Rows of random numbers that the generator keeps ready.
    noise_rows;
    /// Largest number of positions that the position register counts.
    positions;
    external:
    /// Instructions that the transfer queue holds; 0: the chip has no external memory.
    transfer_queue_depth;
    /// Bits that external memory (DRAM) moves in a cycle of the core.
    dram_bits;
    /// Banks of external memory. A granule is a burst of eight beats in each.
    dram_banks;
    /// Cycles of a granule.
    dram_granule_cycles;
    /// Granules of external memory.
    dram_granules;
    /// Cycles from refresh to refresh while a token runs.
    dram_frame;
    /// Cycles that a refresh takes, with the closing before and the opening after it.
    dram_refresh;
    /// Cycles from a granule's slot to its first word.
    dram_read_latency;
}

impl Geometry {
    /// The chip for the ULX3S board with an ECP5-85F.
    pub const ULX3S_85F: Geometry = Geometry {
        name: "ulx3s-85f",
        mxm_lanes: 128,
        vxm_lanes: 16,
        weight_rows: 2048,
        kv_rows: 1024,
        vmem_rows: 512,
        vreg_rows: 64,
        act_entries: 16,
        scalars: 16,
        matrix_queue_depth: 64,
        vector_queue_depth: 128,
        noise_rows: 32,
        positions: 1024,
        clock_hz: 100_000_000,
        ..Self::ON_CHIP
    };

    /// A small chip for quick tests and small FPGAs.
    pub const NANO: Geometry = Geometry {
        name: "nano",
        mxm_lanes: 16,
        vxm_lanes: 8,
        weight_rows: 2048,
        kv_rows: 1024,
        vmem_rows: 512,
        vreg_rows: 64,
        act_entries: 16,
        scalars: 16,
        matrix_queue_depth: 128,
        vector_queue_depth: 128,
        noise_rows: 32,
        positions: 1024,
        clock_hz: 50_000_000,
        ..Self::ON_CHIP
    };

    /// The chips without external memory; all have boards.
    pub const ALL: [Geometry; 2] = [Self::ULX3S_85F, Self::NANO];

    /// Whether weights and keys may lie in external memory.
    pub const fn has_external_memory(&self) -> bool {
        #[cfg(feature = "external")]
        return self.transfer_queue_depth > 0;
        #[cfg(not(feature = "external"))]
        false
    }

    /// Whether hardware of these sizes can be described: powers of two, and a matrix row of 2 to `vxm_lanes` groups.
    pub const fn is_sound(&self) -> bool {
        let counts = self.sizes();
        let mut at = 0;
        // The last of them, positions, is any number.
        while at + 1 < Self::COMMON {
            if !counts[at].is_power_of_two() {
                return false;
            }
            at += 1;
        }
        self.act_entries <= 64
            && self.scalars <= 32
            && self.vxm_lanes >= 4
            && self.vxm_lanes <= 128
            && self.mxm_lanes >= 2 * self.vxm_lanes
            && self.groups() <= self.vxm_lanes
            && self.weight_rows <= 1 << 24
            && self.kv_rows <= 1 << 24
            && self.vmem_rows <= 1 << 24
            && self.vreg_rows <= 1 << 14
            && self.positions >= 1
            && self.positions <= 1 << 16
            && self.has_sound_memory()
    }

    #[cfg(not(feature = "external"))]
    const fn has_sound_memory(&self) -> bool {
        true
    }

    /// Groups of `vxm_lanes` matrix lanes: a vector row is written to whole groups of the activation file.
    pub const fn groups(&self) -> usize {
        self.mxm_lanes / self.vxm_lanes
    }

    /// Half rows (`vxm_lanes / 2` lanes) in a matrix row: the grain at which lanes are written.
    pub const fn halves(&self) -> usize {
        2 * self.groups()
    }

    /// Adders between one product and the sum of all lanes.
    pub const fn tree_levels(&self) -> usize {
        self.mxm_lanes.ilog2() as usize
    }

    /// The narrowest sum that leaves the tree, in lanes: more results than this would not fit one vector row.
    pub const fn narrowest_tap(&self) -> usize {
        self.groups()
    }

    /// Positions whose scores share one vector row.
    pub const fn block(&self) -> usize {
        self.vxm_lanes
    }

    /// Blocks that are begun when `position` is executed: `ceil((position + 1) / block)`.
    pub const fn blocks(&self, position: usize) -> usize {
        position / self.block() + 1
    }

    /// Instructions that a queue holds.
    pub const fn queue_depth(&self, queue: Queue) -> usize {
        match queue {
            Queue::Matrix => self.matrix_queue_depth,
            Queue::Vector => self.vector_queue_depth,
            #[cfg(feature = "external")]
            Queue::Transfer => self.transfer_queue_depth,
            #[cfg(not(feature = "external"))]
            Queue::Transfer => 0,
        }
    }

    /// Host words of one row of weight or KV memory (eight 9-bit lanes a word).
    pub const fn host_words_per_weight_row(&self) -> usize {
        self.mxm_lanes.div_ceil(8)
    }

    /// Host words of one row of vector memory (four 18-bit lanes a word).
    pub const fn host_words_per_vmem_row(&self) -> usize {
        self.vxm_lanes.div_ceil(4)
    }

    /// A number that tells chips of different size apart.
    pub const fn hash(&self) -> u64 {
        let sizes = self.sizes();
        let mut hash = crate::hash::Fnv::new();
        let mut index = 0;
        // Without external memory there is nothing to say of it.
        let said = if self.has_external_memory() { sizes.len() } else { Self::COMMON };
        while index < said {
            hash = hash.u64(sizes[index] as u64);
            index += 1;
        }
        hash.finish()
    }
}

/// Chips with external memory.
#[cfg(feature = "external")]
impl Geometry {
    /// The small chip with SDR SDRAM: x16, four banks, 32 MB, at the core's clock.
    pub const NANO_SDRAM: Geometry = Geometry {
        name: "nano-sdram",
        vmem_rows: 1024,
        vreg_rows: 256,
        act_entries: 64,
        matrix_queue_depth: 256,
        vector_queue_depth: 512,
        transfer_queue_depth: 128,
        dram_frame: 390,
        dram_refresh: 8,
        ..Self::sdram(Self::NANO, 1 << 19)
    };

    /// The chip for the ULX3S board with weights in its SDRAM, 32 MB.
    pub const ULX3S_85F_SDRAM: Geometry = Geometry {
        name: "ulx3s-85f-sdram",
        mxm_lanes: 64,
        vmem_rows: 2048,
        vreg_rows: 512,
        act_entries: 64,
        scalars: 32,
        matrix_queue_depth: 256,
        vector_queue_depth: 512,
        transfer_queue_depth: 128,
        positions: 4096,
        ..Self::sdram(Self::ULX3S_85F, 1 << 19)
    };

    /// A chip for ECP5 boards with x16 DDR3 at 400 MT/s, eight banks, 128 MB.
    pub const ECP5_DDR3: Geometry = Geometry {
        name: "ecp5-ddr3",
        dram_bits: 64,
        dram_banks: 8,
        dram_granule_cycles: 16,
        dram_granules: 1 << 20,
        dram_frame: 780,
        dram_refresh: 22,
        dram_read_latency: 24,
        ..Self::ULX3S_85F_SDRAM
    };

    /// A chip with x16 SDR SDRAM at 100 MHz: tRCD, tRP 2 cycles, tRFC 7, four banks of bursts of eight.
    const fn sdram(chip: Geometry, dram_granules: usize) -> Geometry {
        Geometry {
            dram_bits: 16,
            dram_banks: 4,
            dram_granule_cycles: 32,
            dram_granules,
            dram_frame: 781,
            dram_refresh: 13,
            dram_read_latency: 16,
            ..chip
        }
    }
    /// The chips with external memory. Those with SDR SDRAM exist in hardware, without boards so far.
    pub const EXTERNAL: [Geometry; 3] = [Self::ULX3S_85F_SDRAM, Self::ECP5_DDR3, Self::NANO_SDRAM];

    /// All chips that have a name.
    pub fn known() -> impl Iterator<Item = Geometry> {
        Self::ALL.into_iter().chain(Self::EXTERNAL)
    }

    /// Finds a chip by its name.
    pub fn by_name(name: &str) -> Option<Geometry> {
        Self::known().find(|geometry| geometry.name == name)
    }

    /// Queues of the chip.
    pub const fn queues(&self) -> usize {
        if self.has_external_memory() { 3 } else { 2 }
    }

    /// Bytes of a granule.
    pub const fn granule_bytes(&self) -> usize {
        self.dram_bits * self.dram_granule_cycles / 8
    }

    /// Granules of a frame.
    pub const fn frame_slots(&self) -> usize {
        (self.dram_frame - self.dram_refresh) / self.dram_granule_cycles
    }

    /// No external memory at all, or one whose frames hold granules and whose words hold less than a row.
    const fn has_sound_memory(&self) -> bool {
        if !self.has_external_memory() {
            let memory = self.dram_bits + self.dram_banks + self.dram_granule_cycles + self.dram_granules;
            return memory + self.dram_frame + self.dram_refresh + self.dram_read_latency == 0;
        }
        self.transfer_queue_depth.is_power_of_two()
            && (self.dram_bits == 16 || self.dram_bits == 32 || self.dram_bits == 64)
            && self.dram_granule_cycles >= 4
            && self.dram_granule_cycles <= 256
            && self.dram_granules >= 1
            && self.dram_granules <= 1 << 28
            && self.dram_refresh >= 4
            && self.dram_frame >= self.dram_refresh + self.dram_granule_cycles
            && self.dram_frame <= 1 << 16
            && self.dram_read_latency <= 256
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_but_the_positions_is_a_power_of_two() {
        let chip = Geometry::NANO;
        assert!(Geometry::known().all(|chip| chip.is_sound()));
        assert_eq!(Geometry::SIZES[Geometry::COMMON - 1].0, "positions");
        assert!(Geometry { positions: 1000, ..chip }.is_sound());
        for other in [
            Geometry { mxm_lanes: 48, ..chip },
            Geometry { vxm_lanes: 6, ..chip },
            Geometry { weight_rows: 2047, ..chip },
            Geometry { kv_rows: 1000, ..chip },
            Geometry { vmem_rows: 500, ..chip },
            Geometry { vreg_rows: 63, ..chip },
            Geometry { act_entries: 15, ..chip },
            Geometry { scalars: 0, ..chip },
            Geometry { matrix_queue_depth: 100, ..chip },
            Geometry { vector_queue_depth: 129, ..chip },
            Geometry { noise_rows: 31, ..chip },
            Geometry { dram_bits: 16, ..chip },
            Geometry { dram_bits: 24, ..Geometry::NANO_SDRAM },
            Geometry { dram_frame: 20, ..Geometry::NANO_SDRAM },
        ] {
            assert!(!other.is_sound(), "{other:?}");
        }
    }
}
