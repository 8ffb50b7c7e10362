//! Pins to commands: the truth table that SDR and DDR parts share.

use std::fmt;

/// What the controller drives in a cycle. Names that end in `_n` are active low, as on the part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pins {
    pub clock_enable: bool,
    pub cs_n: bool,
    pub ras_n: bool,
    pub cas_n: bool,
    pub we_n: bool,
    pub bank: u8,
    pub address: u16,
    /// Hides the word: of a write in this cycle, of a read as much later as the sheet says.
    pub mask: bool,
    /// The word on the data pins, if the controller drives them; lowest column in the lowest bits.
    pub data: Option<u64>,
}

impl Pins {
    /// No command, nothing driven.
    pub const IDLE: Self = Self {
        clock_enable: true,
        cs_n: true,
        ras_n: true,
        cas_n: true,
        we_n: true,
        bank: 0,
        address: 0,
        mask: false,
        data: None,
    };

    /// The pins of a command.
    pub fn of(command: Command) -> Self {
        let pins = |ras: bool, cas: bool, we: bool, bank: u8, address: u16| Self {
            cs_n: false,
            ras_n: !ras,
            cas_n: !cas,
            we_n: !we,
            bank,
            address,
            ..Self::IDLE
        };
        let close = |auto: bool| if auto { PRECHARGE_BIT } else { 0 };
        match command {
            Command::None => Self::IDLE,
            Command::Activate { bank, row } => pins(true, false, false, bank, row),
            Command::Read { bank, column, auto } => pins(false, true, false, bank, column | close(auto)),
            Command::Write { bank, column, auto } => pins(false, true, true, bank, column | close(auto)),
            Command::Precharge { bank: Some(bank) } => pins(true, false, true, bank, 0),
            Command::Precharge { bank: None } => pins(true, false, true, 0, PRECHARGE_BIT),
            Command::Refresh => pins(true, true, false, 0, 0),
            Command::Mode { value } => pins(true, true, true, 0, value),
            Command::Stop => pins(false, false, true, 0, 0),
        }
    }
}

/// Address bit that closes: all banks with a precharge, its own after a read or write.
const PRECHARGE_BIT: u16 = 1 << 10;

/// A command of the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    None,
    Activate {
        bank: u8,
        row: u16,
    },
    Read {
        bank: u8,
        column: u16,
        auto: bool,
    },
    Write {
        bank: u8,
        column: u16,
        auto: bool,
    },
    /// Closes a bank, or all.
    Precharge {
        bank: Option<u8>,
    },
    Refresh,
    Mode {
        value: u16,
    },
    /// Cuts a burst short.
    Stop,
}

impl Command {
    /// Reads the pins.
    pub fn of(pins: &Pins) -> Self {
        let Pins { bank, address, .. } = *pins;
        let (column, auto) = (address & !PRECHARGE_BIT, address & PRECHARGE_BIT != 0);
        match (pins.cs_n, pins.ras_n, pins.cas_n, pins.we_n) {
            (true, ..) | (false, true, true, true) => Self::None,
            (false, false, true, true) => Self::Activate { bank, row: address },
            (false, true, false, true) => Self::Read { bank, column, auto },
            (false, true, false, false) => Self::Write { bank, column, auto },
            (false, false, true, false) => Self::Precharge { bank: (!auto).then_some(bank) },
            (false, false, false, true) => Self::Refresh,
            (false, false, false, false) => Self::Mode { value: address },
            (false, true, true, false) => Self::Stop,
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let closing = |auto: bool| if auto { " with auto-precharge" } else { "" };
        match *self {
            Self::None => write!(f, "no command"),
            Self::Activate { bank, row } => write!(f, "ACTIVATE of bank {bank}, row {row}"),
            Self::Read { bank, column, auto } => {
                write!(f, "READ of bank {bank}, column {column}{}", closing(auto))
            }
            Self::Write { bank, column, auto } => {
                write!(f, "WRITE of bank {bank}, column {column}{}", closing(auto))
            }
            Self::Precharge { bank: Some(bank) } => write!(f, "PRECHARGE of bank {bank}"),
            Self::Precharge { bank: None } => write!(f, "PRECHARGE of all banks"),
            Self::Refresh => write!(f, "REFRESH"),
            Self::Mode { value } => write!(f, "MODE REGISTER {value:#05x}"),
            Self::Stop => write!(f, "BURST STOP"),
        }
    }
}
