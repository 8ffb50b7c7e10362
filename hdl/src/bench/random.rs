//! Random test inputs from a seed that every failing test shows.

/// Environment variable that gives a test its seed back.
const SEED_VARIABLE: &str = "LPU_SEED";

/// A small generator (splitmix64); equal seeds give equal tests.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// Takes the seed from `LPU_SEED`, or 1, and prints it.
    pub fn from_seed_variable() -> Self {
        let given = std::env::var(SEED_VARIABLE).ok().and_then(|text| text.parse().ok());
        let state = given.unwrap_or(1);
        println!("{SEED_VARIABLE}={state}");
        Self { state }
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is at least 1.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next_u64() % limit
    }

    /// A number of `bits` unsigned bits, 1 to 64.
    pub fn unsigned(&mut self, bits: u32) -> u64 {
        self.next_u64() >> (64 - bits)
    }

    /// A number of `bits` two's complement bits, 1 to 64.
    pub fn signed(&mut self, bits: u32) -> i64 {
        (self.next_u64() as i64) >> (64 - bits)
    }
}
