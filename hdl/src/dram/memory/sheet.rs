//! What data sheets say of a part: sizes, latencies, times.

/// How a part wakes up; none where the PHY below the port has woken it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerUp {
    /// Steady clock before the first command.
    pub wait_ps: u64,
    /// Refresh commands before the first activation.
    pub refreshes: u32,
    /// The mode register: whole bursts of eight, sequential, and the read latency.
    pub mode: u16,
}

/// A part, or a part with its PHY. Times in picoseconds, each the least allowed unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sheet {
    pub name: &'static str,
    pub banks: u8,
    pub rows: u32,
    pub columns: u32,
    /// Columns of a burst.
    pub burst: u32,
    /// Columns, of 16 bits each, that the port moves in a cycle.
    pub columns_a_cycle: u32,
    /// Cycles from a read command to its first word.
    pub read_latency: u64,
    /// Shortest clock period at this read latency.
    pub clock_ps: u64,
    pub power_up: Option<PowerUp>,
    /// Activation to activation of one bank, or refresh to activation.
    pub rc_ps: u64,
    /// Activation to precharge of one bank.
    pub ras_ps: u64,
    /// The same, at most.
    pub ras_most_ps: u64,
    /// Activation to read or write.
    pub rcd_ps: u64,
    /// Precharge to activation.
    pub rp_ps: u64,
    /// Activation to activation of another bank.
    pub rrd_ps: u64,
    /// A window that holds at most four activations.
    pub faw_ps: u64,
    /// Refresh to any other command.
    pub rfc_ps: u64,
    /// Last written word to precharge.
    pub wr_ps: u64,
    /// The same in cycles.
    pub wr_cycles: u64,
    /// Read to precharge.
    pub rtp_ps: u64,
    /// Last written word to a read.
    pub wtr_ps: u64,
    /// Mode register to any other command.
    pub mrd_cycles: u64,
    /// A part that closes a bank by itself waits for `ras_ps`.
    pub auto_precharge_waits: bool,
    /// Cycles from a read mask to the word that it hides; none where reads have no mask.
    pub read_mask_latency: Option<u64>,
    /// Time in which each row is refreshed once, at most.
    pub refresh_window_ps: u64,
}

/// ISSI IS42S16160G-7TL, 32 MB: on most ULX3S boards.
pub const SDR_IS42S16160G_7: Sheet = Sheet {
    name: "IS42S16160G-7",
    banks: 4,
    rows: 8192,
    columns: 512,
    burst: 8,
    columns_a_cycle: 1,
    read_latency: 3,
    clock_ps: 7_000,
    power_up: Some(PowerUp { wait_ps: 200_000_000, refreshes: 8, mode: 0x033 }),
    rc_ps: 67_500,
    ras_ps: 45_000,
    ras_most_ps: 100_000_000,
    rcd_ps: 20_000,
    rp_ps: 20_000,
    rrd_ps: 14_000,
    faw_ps: 0,
    rfc_ps: 70_000,
    wr_ps: 14_000,
    wr_cycles: 2,
    rtp_ps: 0,
    wtr_ps: 0,
    mrd_cycles: 2,
    auto_precharge_waits: false,
    read_mask_latency: Some(2),
    refresh_window_ps: 64_000_000_000,
};

/// Alliance AS4C32M16SB-7, 64 MB.
pub const SDR_AS4C32M16SB_7: Sheet = Sheet {
    name: "AS4C32M16SB-7",
    columns: 1024,
    rc_ps: 63_000,
    ras_ps: 42_000,
    rcd_ps: 21_000,
    rp_ps: 21_000,
    rfc_ps: 63_000,
    ..SDR_IS42S16160G_7
};

/// DDR3 x16 of 1 Gbit behind a PHY that has woken and trained it, at 400 MT/s under a core of 100 MHz.
pub const DDR3_1GBIT_X16: Sheet = Sheet {
    name: "DDR3 1 Gbit x16",
    banks: 8,
    rows: 8192,
    columns: 1024,
    burst: 8,
    columns_a_cycle: 4,
    read_latency: 6,
    clock_ps: 10_000,
    power_up: None,
    rc_ps: 48_750,
    ras_ps: 35_000,
    ras_most_ps: 70_200_000,
    rcd_ps: 13_750,
    rp_ps: 13_750,
    rrd_ps: 10_000,
    faw_ps: 50_000,
    rfc_ps: 110_000,
    wr_ps: 15_000,
    wr_cycles: 0,
    rtp_ps: 7_500,
    wtr_ps: 7_500,
    mrd_cycles: 2,
    auto_precharge_waits: true,
    read_mask_latency: None,
    refresh_window_ps: 64_000_000_000,
};
