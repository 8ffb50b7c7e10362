//! The part itself: banks, mode register, data pins and cells, cycle by cycle.

use super::command::{Command, Pins};
use super::rules::{Event, Rule, Violation};
use super::sheet::{PowerUp, Sheet};
use std::collections::{HashMap, VecDeque};

/// Bits of a column.
const COLUMN_BITS: u32 = 16;

#[derive(Clone, Debug, Default)]
struct Bank {
    row: Option<u16>,
    activated: Option<Event>,
    /// From when its precharge counts, perhaps later than now.
    closed: Option<Event>,
    read: Option<Event>,
    /// From the last written word.
    written: Option<Event>,
}

/// A burst under way.
#[derive(Clone, Copy, Debug)]
struct Burst {
    event: Event,
    bank: u8,
    row: u16,
    column: u16,
    first_cycle: u64,
}

/// How far a part has woken.
#[derive(Clone, Copy, Debug, Default)]
struct Waking {
    precharged: bool,
    refreshes: u32,
    mode: bool,
}

/// A memory. Cells that were never written hold a number made from their place, or zero.
#[derive(Clone, Debug)]
pub struct Memory {
    sheet: Sheet,
    period_ps: u64,
    cycle: u64,
    command: Command,
    waking: Waking,
    banks: Vec<Bank>,
    activations: VecDeque<Event>,
    refreshed: Option<Event>,
    mode_set: Option<Event>,
    reads: VecDeque<Burst>,
    write: Option<Burst>,
    masks: VecDeque<bool>,
    /// The burst whose word the memory drove last, and when.
    drove: Option<(u64, Event)>,
    /// When each row was refreshed last, and the row that the next refresh takes.
    row_refreshed_ps: Vec<u64>,
    next_row: usize,
    cells: HashMap<(u8, u16), Vec<u16>>,
    blank: bool,
}

impl Memory {
    /// A part under a clock of this period.
    ///
    /// # Errors
    /// The clock is too fast for the part.
    pub fn new(sheet: Sheet, period_ps: u64) -> Result<Self, Violation> {
        let awake = sheet.power_up.is_none();
        let memory = Self {
            sheet,
            period_ps,
            cycle: 0,
            command: Command::None,
            waking: Waking { precharged: awake, refreshes: 0, mode: awake },
            banks: vec![Bank::default(); sheet.banks.into()],
            activations: VecDeque::new(),
            refreshed: None,
            mode_set: None,
            reads: VecDeque::new(),
            write: None,
            masks: VecDeque::new(),
            drove: None,
            row_refreshed_ps: vec![0; sheet.rows as usize],
            next_row: 0,
            cells: HashMap::new(),
            blank: false,
        };
        if period_ps < sheet.clock_ps { Err(memory.broken(Rule::ClockPeriod, None)) } else { Ok(memory) }
    }

    /// The same with zeros in all cells, for machines that are compared: what nobody wrote must be equal there, too.
    pub fn with_zeros(self) -> Self {
        Self { blank: true, ..self }
    }

    /// Cycles so far.
    pub fn cycles(&self) -> u64 {
        self.cycle
    }

    /// Refresh commands so far.
    pub fn refreshes(&self) -> u64 {
        self.waking.refreshes.into()
    }

    /// A cell, as the part holds it.
    pub fn cell(&self, bank: u8, row: u16, column: u16) -> u16 {
        let made = u32::from(row).wrapping_mul(40_503) ^ (u32::from(column) << 4 | u32::from(bank));
        let fresh = if self.blank { 0 } else { made as u16 };
        self.cells.get(&(bank, row)).map_or(fresh, |cells| cells[usize::from(column)])
    }

    /// Puts a value into a cell.
    pub fn set_cell(&mut self, bank: u8, row: u16, column: u16, value: u16) {
        if !self.cells.contains_key(&(bank, row)) {
            let fresh = (0..self.sheet.columns).map(|column| self.cell(bank, row, column as u16)).collect();
            self.cells.insert((bank, row), fresh);
        }
        if let Some(cells) = self.cells.get_mut(&(bank, row)) {
            cells[usize::from(column)] = value;
        }
    }

    /// A cycle: takes what the controller drives, gives the word that the memory drives.
    ///
    /// # Errors
    /// The rule that the pins break.
    pub fn clock(&mut self, pins: &Pins) -> Result<Option<u64>, Violation> {
        self.command = Command::of(pins);
        let driven = self.step(pins);
        self.cycle += 1;
        driven
    }

    fn step(&mut self, pins: &Pins) -> Result<Option<u64>, Violation> {
        let awake = self.waking.mode;
        if !pins.clock_enable && (awake || self.command != Command::None) {
            return Err(self.broken(Rule::ClockEnable, None));
        }
        if self.command != Command::None {
            self.obey()?;
        }
        self.write_word(pins)?;
        if awake {
            self.grow_old()?;
        }
        self.read_word(pins)
    }

    fn now_ps(&self) -> u64 {
        self.cycle * self.period_ps
    }

    fn burst_cycles(&self) -> u64 {
        (self.sheet.burst / self.sheet.columns_a_cycle).into()
    }

    fn event(&self, at_ps: u64) -> Event {
        Event { cycle: self.cycle, command: self.command, at_ps }
    }

    fn broken(&self, rule: Rule, earlier: Option<Event>) -> Violation {
        Violation { rule, cycle: self.cycle, at_ps: self.now_ps(), command: self.command, earlier }
    }

    fn require(&self, holds: bool, rule: Rule, earlier: Option<Event>) -> Result<(), Violation> {
        if holds { Ok(()) } else { Err(self.broken(rule, earlier)) }
    }

    /// So much time lies between an earlier event, if there is one, and `at_ps`.
    fn apart(&self, rule: Rule, earlier: Option<Event>, least_ps: u64, at_ps: u64) -> Result<(), Violation> {
        let holds = earlier.is_none_or(|event| at_ps >= event.at_ps + least_ps);
        self.require(holds, rule, earlier)
    }

    fn obey(&mut self) -> Result<(), Violation> {
        self.wake()?;
        let (sheet, now) = (self.sheet, self.now_ps());
        self.apart(Rule::Rfc, self.refreshed, sheet.rfc_ps, now)?;
        self.apart(Rule::Mrd, self.mode_set, sheet.mrd_cycles * self.period_ps, now)?;
        match self.command {
            Command::None => Ok(()),
            Command::Activate { bank, row } => self.activate(bank, row),
            Command::Read { bank, column, auto } => self.column(bank, column, auto, false),
            Command::Write { bank, column, auto } => self.column(bank, column, auto, true),
            Command::Precharge { bank } => self.precharge(bank),
            Command::Refresh => self.refresh(),
            Command::Mode { value } => self.set_mode(value),
            Command::Stop => Err(self.broken(Rule::BurstCut, self.reads.back().map(|burst| burst.event))),
        }
    }

    /// The order of commands after power-up.
    fn wake(&self) -> Result<(), Violation> {
        let Some(PowerUp { wait_ps, refreshes, .. }) = self.sheet.power_up else { return Ok(()) };
        self.require(self.now_ps() >= wait_ps, Rule::PowerUpWait, None)?;
        let first = matches!(self.command, Command::Precharge { bank: None });
        self.require(self.waking.precharged || first, Rule::PowerUpPrecharge, None)?;
        if matches!(self.command, Command::Activate { .. }) {
            self.require(self.waking.refreshes >= refreshes, Rule::PowerUpRefreshes, self.refreshed)?;
            self.require(self.waking.mode, Rule::PowerUpMode, None)?;
        }
        Ok(())
    }

    fn activate(&mut self, bank: u8, row: u16) -> Result<(), Violation> {
        let (sheet, now) = (self.sheet, self.now_ps());
        let Bank { row: open, activated, closed, .. } = self.banks[usize::from(bank)];
        self.require(u32::from(row) < sheet.rows, Rule::RowRange, None)?;
        self.require(open.is_none(), Rule::BankOpen, activated)?;
        self.apart(Rule::Rp, closed, sheet.rp_ps, now)?;
        self.apart(Rule::Rc, activated, sheet.rc_ps, now)?;
        self.apart(Rule::Rrd, self.activations.back().copied(), sheet.rrd_ps, now)?;
        if self.activations.len() == 4 {
            let fourth_last = self.activations.pop_front();
            self.apart(Rule::Faw, fourth_last, sheet.faw_ps, now)?;
        }
        let event = self.event(now);
        self.activations.push_back(event);
        let state = &mut self.banks[usize::from(bank)];
        (state.row, state.activated, state.read, state.written) = (Some(row), Some(event), None, None);
        Ok(())
    }

    /// A read or a write.
    fn column(&mut self, bank: u8, column: u16, auto: bool, writes: bool) -> Result<(), Violation> {
        let (sheet, now) = (self.sheet, self.now_ps());
        let Bank { row, activated, closed, .. } = self.banks[usize::from(bank)];
        let Some(row) = row else { return Err(self.broken(Rule::BankClosed, closed)) };
        self.apart(Rule::Rcd, activated, sheet.rcd_ps, now)?;
        let exists = u32::from(column) < sheet.columns && u32::from(column) % sheet.burst == 0;
        self.require(exists, Rule::ColumnRange, None)?;
        let burst_ps = self.burst_cycles() * self.period_ps;
        for earlier in self.reads.back().map(|burst| burst.event).into_iter().chain(self.last_write()) {
            self.apart(Rule::BurstCut, Some(earlier), burst_ps, now)?;
        }
        let (event, end_ps) = (self.event(now), now + burst_ps);
        let burst = Burst { event, bank, row, column, first_cycle: self.cycle };
        let closes_ps = if writes {
            self.write = Some(burst);
            self.banks[usize::from(bank)].written = Some(Event { at_ps: end_ps, ..event });
            end_ps + self.write_recovery_ps()
        } else {
            let written = self.banks.iter().filter_map(|bank| bank.written).max_by_key(|event| event.at_ps);
            self.apart(Rule::Wtr, written, sheet.wtr_ps, now)?;
            self.reads.push_back(Burst { first_cycle: self.cycle + sheet.read_latency, ..burst });
            self.banks[usize::from(bank)].read = Some(event);
            now + burst_ps.max(sheet.rtp_ps)
        };
        if auto { self.close(bank, closes_ps, sheet.auto_precharge_waits) } else { Ok(()) }
    }

    fn last_write(&self) -> Option<Event> {
        self.write.map(|burst| burst.event)
    }

    fn write_recovery_ps(&self) -> u64 {
        self.sheet.wr_ps.max(self.sheet.wr_cycles * self.period_ps)
    }

    /// Closes a bank from `at_ps` on; one that waits does so until tRAS is over.
    fn close(&mut self, bank: u8, at_ps: u64, waits: bool) -> Result<(), Violation> {
        let activated = self.banks[usize::from(bank)].activated;
        let open_until = activated.map_or(0, |event| event.at_ps + self.sheet.ras_ps);
        let at_ps = if waits { at_ps.max(open_until) } else { at_ps };
        self.apart(Rule::Ras, activated, self.sheet.ras_ps, at_ps)?;
        let event = self.event(at_ps);
        let state = &mut self.banks[usize::from(bank)];
        (state.row, state.closed) = (None, Some(event));
        Ok(())
    }

    fn precharge(&mut self, bank: Option<u8>) -> Result<(), Violation> {
        let (sheet, now) = (self.sheet, self.now_ps());
        self.waking.precharged = true;
        let banks = bank.map_or(0..sheet.banks, |bank| bank..bank + 1);
        let never_opened = self.activations.is_empty();
        for bank in banks {
            let Bank { row, read, written, .. } = self.banks[usize::from(bank)];
            if row.is_none() && !never_opened {
                continue;
            }
            self.apart(Rule::BurstCut, read, self.burst_cycles() * self.period_ps, now)?;
            self.apart(Rule::Rtp, read, sheet.rtp_ps, now)?;
            self.apart(Rule::Wr, written, self.write_recovery_ps(), now)?;
            self.close(bank, now, false)?;
        }
        Ok(())
    }

    /// All banks are closed, and have been for tRP.
    fn all_rest(&self) -> Result<(), Violation> {
        for bank in &self.banks {
            self.require(bank.row.is_none(), Rule::BanksOpen, bank.activated)?;
            self.apart(Rule::Rp, bank.closed, self.sheet.rp_ps, self.now_ps())?;
        }
        Ok(())
    }

    fn refresh(&mut self) -> Result<(), Violation> {
        self.all_rest()?;
        let now = self.now_ps();
        self.refreshed = Some(self.event(now));
        self.waking.refreshes += 1;
        self.row_refreshed_ps[self.next_row] = now;
        self.next_row = (self.next_row + 1) % self.row_refreshed_ps.len();
        Ok(())
    }

    fn set_mode(&mut self, value: u16) -> Result<(), Violation> {
        self.all_rest()?;
        let wanted = self.sheet.power_up.map(|power_up| power_up.mode);
        self.require(wanted.is_none_or(|wanted| wanted == value), Rule::ModeValue, None)?;
        self.mode_set = Some(self.event(self.now_ps()));
        self.waking.mode = true;
        // What the cells held before is of no interest: their time begins now.
        let now = self.now_ps();
        self.row_refreshed_ps.fill(now);
        Ok(())
    }

    fn grow_old(&self) -> Result<(), Violation> {
        let now = self.now_ps();
        for bank in self.banks.iter().filter(|bank| bank.row.is_some()) {
            let holds = bank.activated.is_none_or(|event| now <= event.at_ps + self.sheet.ras_most_ps);
            self.require(holds, Rule::RasMost, bank.activated)?;
        }
        let oldest = self.row_refreshed_ps[self.next_row];
        self.require(now <= oldest + self.sheet.refresh_window_ps, Rule::RefreshWindow, self.refreshed)
    }

    /// Column of a burst's word in this cycle, if it has one.
    fn word_column(&self, burst: &Burst) -> Option<u16> {
        let word = self.cycle.checked_sub(burst.first_cycle).filter(|word| *word < self.burst_cycles())?;
        Some(burst.column + word as u16 * self.sheet.columns_a_cycle as u16)
    }

    fn write_word(&mut self, pins: &Pins) -> Result<(), Violation> {
        let place = self.write.and_then(|burst| Some((burst, self.word_column(&burst)?)));
        let (burst, column) = match (place, pins.data) {
            (None, None) => return Ok(()),
            (Some(place), Some(_)) => place,
            _ => return Err(self.broken(Rule::WriteData, self.last_write())),
        };
        for at in (0..self.sheet.columns_a_cycle).filter(|_| !pins.mask) {
            let value = pins.data.unwrap_or_default() >> (at * COLUMN_BITS);
            self.set_cell(burst.bank, burst.row, column + at as u16, value as u16);
        }
        Ok(())
    }

    fn read_word(&mut self, pins: &Pins) -> Result<Option<u64>, Violation> {
        self.masks.push_front(pins.mask);
        let latency = self.sheet.read_mask_latency.unwrap_or(0) as usize;
        self.masks.truncate(latency + 1);
        while self.reads.front().is_some_and(|burst| self.cycle >= burst.first_cycle + self.burst_cycles()) {
            self.reads.pop_front();
        }
        let place = self.reads.front().and_then(|burst| Some((*burst, self.word_column(burst)?)));
        let masked = self.sheet.read_mask_latency.is_some() && self.masks.get(latency) == Some(&true);
        if let Some((burst, _)) = place.filter(|_| !masked) {
            self.drove = Some((self.cycle, burst.event));
        }
        // Its drivers need up to a cycle to let go.
        let just_drove = self.drove.filter(|(cycle, _)| cycle + 1 >= self.cycle);
        if let Some((_, event)) = just_drove.filter(|_| pins.data.is_some()) {
            return Err(self.broken(Rule::BusConflict, Some(event)));
        }
        let Some((burst, column)) = place.filter(|_| !masked) else { return Ok(None) };
        let cell = |at: u32| u64::from(self.cell(burst.bank, burst.row, column + at as u16));
        Ok(Some((0..self.sheet.columns_a_cycle).map(|at| cell(at) << (at * COLUMN_BITS)).sum()))
    }
}
