//! The size of a chip, as data. Compiler, emulator, verifier and RTL all read the same `Geometry`; no module
//! knows a chip by name.

use crate::instruction::Queue;

/// Lists the sizes of a chip: doc and name.
macro_rules! geometry {
    ($($(#[doc = $doc:literal])+ $size:ident;)+) => {
        /// The sizes from which one chip is made. Every count of lanes and rows is a power of two.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct Geometry {
            /// Name on the command line and in reports.
            pub name: &'static str,
            $($(#[doc = $doc])+ pub $size: usize,)+
            /// Clock at which the tools quote tokens per second, in hertz.
            pub clock_hz: u64,
        }

        impl Geometry {
            /// Names and meanings of the sizes.
            pub const SIZES: &'static [(&'static str, &'static str)] = &[$((stringify!($size), concat!($($doc),+)),)+];

            /// The sizes, in the order of [`Geometry::SIZES`].
            pub const fn sizes(&self) -> [usize; Self::SIZES.len()] {
                [$(self.$size),+]
            }

            /// The geometry of these sizes: one that exists in hardware, or one named `virtual`; none when it cannot be described.
            pub fn of_sizes(sizes: [usize; Self::SIZES.len()], clock_hz: u64) -> Option<Geometry> {
                let [$($size),+] = sizes;
                let found = Geometry { name: "virtual", $($size,)+ clock_hz };
                let known = Self::ALL.into_iter().find(|known| (Geometry { name: found.name, ..*known }) == found);
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
    };

    /// The chips that exist in hardware.
    pub const ALL: [Geometry; 2] = [Self::ULX3S_85F, Self::NANO];

    /// Finds a chip by its name.
    pub fn by_name(name: &str) -> Option<Geometry> {
        Self::ALL.into_iter().find(|geometry| geometry.name == name)
    }

    /// Whether hardware of these sizes can be described: powers of two, and a matrix row of 2 to `vxm_lanes` groups.
    pub const fn is_sound(&self) -> bool {
        self.mxm_lanes.is_power_of_two()
            && self.vxm_lanes.is_power_of_two()
            && self.act_entries.is_power_of_two()
            && self.act_entries <= 64
            && self.scalars.is_power_of_two()
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
        }
    }

    /// Bits of the 72-bit host word that one memory row spans, rounded up to words.
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
        while index < sizes.len() {
            hash = hash.u64(sizes[index] as u64);
            index += 1;
        }
        hash.finish()
    }
}
