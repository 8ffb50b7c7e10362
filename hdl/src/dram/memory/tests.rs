//! The model against scripts: each rule is broken once, by a script that else is legal.

use super::*;
use crate::bench::Random;

const PERIOD_PS: u64 = 10_000;

/// Commands at cycles after the part has woken.
type Script = Vec<(u64, Command)>;

fn activate(bank: u8) -> Command {
    Command::Activate { bank, row: 5 }
}

fn read(bank: u8, auto: bool) -> Command {
    Command::Read { bank, column: 8, auto }
}

fn write(bank: u8, auto: bool) -> Command {
    Command::Write { bank, column: 8, auto }
}

const PRECHARGE: Command = Command::Precharge { bank: Some(0) };
const PRECHARGE_ALL: Command = Command::Precharge { bank: None };

/// The sheet with a short power-up.
fn sheet() -> Sheet {
    let power_up = SDR_IS42S16160G_7.power_up.map(|power_up| PowerUp { wait_ps: 100_000, ..power_up });
    Sheet { power_up, ..SDR_IS42S16160G_7 }
}

/// The legal way to wake the part, and the cycle after it.
fn wake() -> (Script, u64) {
    let refreshes = (0..8).map(|n| (13 + 8 * n, Command::Refresh));
    let mut script = vec![(10, PRECHARGE_ALL)];
    script.extend(refreshes);
    script.push((80, Command::Mode { value: 0x033 }));
    (script, 90)
}

/// Runs a script; words of writes are driven as they are due.
fn play(sheet: Sheet, script: &[(u64, Command)], cycles: u64) -> Result<Vec<Option<u64>>, Violation> {
    let mut memory = Memory::new(sheet, PERIOD_PS)?;
    let words = u64::from(sheet.burst / sheet.columns_a_cycle);
    let step = |cycle: u64| {
        let command =
            script.iter().find(|(at, _)| *at == cycle).map_or(Command::None, |(_, command)| *command);
        let writes = |(at, command): &(u64, Command)| {
            matches!(command, Command::Write { .. }) && (*at..at + words).contains(&cycle)
        };
        let data = script.iter().any(writes).then_some(cycle);
        memory.clock(&Pins { data, ..Pins::of(command) })
    };
    (0..cycles).map(step).collect()
}

/// The script after waking is legal, and breaks `rule` at its last command when that comes in an earlier cycle.
fn bound(sheet: Sheet, rule: Rule, legal: &[(u64, Command)]) {
    let (wake, start) = if sheet.power_up.is_some() { wake() } else { (vec![], 0) };
    let at = |script: &[(u64, Command)]| -> Script {
        wake.iter().copied().chain(script.iter().map(|(cycle, command)| (cycle + start, *command))).collect()
    };
    play(sheet, &at(legal), start + 60).unwrap_or_else(|violation| panic!("{rule:?}: {violation}"));
    let mut early = legal.to_vec();
    let last = early.last_mut().unwrap();
    last.0 -= 1;
    let (cycle, command) = *last;
    let violation = play(sheet, &at(&early), start + 60).expect_err(&format!("{rule:?} is caught"));
    assert_eq!(
        (violation.rule, violation.cycle, violation.command),
        (rule, cycle + start, command),
        "{violation}"
    );
    assert!(violation.earlier.is_some(), "{violation}");
}

#[test]
fn each_time_of_the_sheet_is_a_bound() {
    let sdr = sheet();
    bound(sdr, Rule::Rcd, &[(0, activate(0)), (2, read(0, true))]);
    bound(sdr, Rule::Ras, &[(0, activate(0)), (5, PRECHARGE)]);
    bound(sdr, Rule::Rp, &[(0, activate(0)), (2, read(0, true)), (12, activate(0))]);
    bound(sdr, Rule::Rp, &[(0, activate(0)), (5, PRECHARGE), (7, Command::Refresh)]);
    bound(Sheet { rp_ps: 0, ..sdr }, Rule::Rc, &[(0, activate(0)), (5, PRECHARGE), (7, activate(0))]);
    bound(sdr, Rule::Rrd, &[(0, activate(0)), (2, activate(1))]);
    bound(sdr, Rule::Rfc, &[(0, Command::Refresh), (7, activate(0))]);
    bound(sdr, Rule::Mrd, &[(0, Command::Mode { value: 0x033 }), (2, activate(0))]);
    bound(sdr, Rule::Wr, &[(0, activate(0)), (2, write(0, false)), (12, PRECHARGE)]);
    bound(sdr, Rule::Rp, &[(0, activate(0)), (2, write(0, true)), (14, activate(0))]);
    bound(
        sdr,
        Rule::BurstCut,
        &[(0, activate(0)), (2, activate(1)), (4, read(0, true)), (12, read(1, true))],
    );
    bound(sdr, Rule::BurstCut, &[(0, activate(0)), (2, read(0, false)), (10, PRECHARGE)]);
    bound(sdr, Rule::BusConflict, &[(0, activate(0)), (2, read(0, false)), (14, write(0, true))]);
    let wide = DDR3_1GBIT_X16;
    let four = [0, 1, 2, 3].map(|bank| (u64::from(bank), activate(bank)));
    bound(wide, Rule::Faw, &[&four[..], &[(5, activate(4))]].concat());
    bound(wide, Rule::Wtr, &[(0, activate(0)), (2, write(0, false)), (5, read(0, true))]);
    bound(
        Sheet { rtp_ps: 25_000, ras_ps: 0, ..wide },
        Rule::Rtp,
        &[(0, activate(0)), (2, read(0, false)), (5, PRECHARGE)],
    );
    // A part that waits for tRAS before it closes by itself is late, never wrong.
    bound(wide, Rule::Rp, &[(0, activate(0)), (2, read(0, true)), (6, activate(0))]);
    bound(wide, Rule::Rfc, &[(0, Command::Refresh), (11, activate(0))]);
}

/// The script after waking breaks `rule` at its last command.
fn breaks(rule: Rule, script: &[(u64, Command)]) {
    let (wake, start) = wake();
    let script: Script =
        wake.into_iter().chain(script.iter().map(|(cycle, command)| (cycle + start, *command))).collect();
    let violation = play(sheet(), &script, start + 60).expect_err("the rule is broken");
    let (cycle, command) = *script.last().unwrap();
    assert_eq!((violation.rule, violation.cycle, violation.command), (rule, cycle, command), "{violation}");
}

#[test]
fn banks_have_states() {
    breaks(Rule::BankClosed, &[(0, read(0, true))]);
    breaks(Rule::BankClosed, &[(0, activate(0)), (5, PRECHARGE), (8, write(0, true))]);
    breaks(Rule::BankClosed, &[(0, activate(0)), (2, read(0, true)), (20, read(0, true))]);
    breaks(Rule::BankOpen, &[(0, activate(0)), (20, activate(0))]);
    breaks(Rule::BanksOpen, &[(0, activate(0)), (20, Command::Refresh)]);
    breaks(Rule::BanksOpen, &[(0, activate(0)), (20, Command::Mode { value: 0x033 })]);
    breaks(Rule::ModeValue, &[(0, Command::Mode { value: 0x023 })]);
    breaks(Rule::RowRange, &[(0, Command::Activate { bank: 0, row: 8192 })]);
    breaks(Rule::ColumnRange, &[(0, activate(0)), (2, Command::Read { bank: 0, column: 4, auto: true })]);
    breaks(Rule::ColumnRange, &[(0, activate(0)), (2, Command::Read { bank: 0, column: 512, auto: true })]);
    breaks(Rule::BurstCut, &[(0, activate(0)), (2, read(0, true)), (4, Command::Stop)]);
}

#[test]
fn a_part_wakes_in_order() {
    let (legal, start) = wake();
    let without = |left_out: Command, rule: Rule| {
        let mut script: Script = legal.iter().copied().filter(|(_, command)| *command != left_out).collect();
        script.push((start, activate(0)));
        let violation = play(sheet(), &script, start + 9).expect_err("a step is missing");
        assert_eq!(violation.rule, rule, "{violation}");
    };
    without(PRECHARGE_ALL, Rule::PowerUpPrecharge);
    without(Command::Refresh, Rule::PowerUpRefreshes);
    without(Command::Mode { value: 0x033 }, Rule::PowerUpMode);
    let violation = play(sheet(), &[(9, PRECHARGE_ALL)], 20).expect_err("too early");
    assert_eq!((violation.rule, violation.cycle), (Rule::PowerUpWait, 9));
    let violation = Memory::new(sheet(), 6_900).expect_err("too fast");
    assert_eq!(violation.rule, Rule::ClockPeriod);
}

fn awake() -> Memory {
    let (script, start) = wake();
    let mut memory = Memory::new(sheet(), PERIOD_PS).unwrap();
    for cycle in 0..start {
        let command =
            script.iter().find(|(at, _)| *at == cycle).map_or(Command::None, |(_, command)| *command);
        memory.clock(&Pins::of(command)).unwrap();
    }
    memory
}

fn broken_rule(result: Result<Option<u64>, Violation>) -> Rule {
    result.expect_err("a rule is broken").rule
}

#[test]
fn pins_must_be_driven_when_due_and_only_then() {
    let mut memory = awake();
    assert_eq!(broken_rule(memory.clock(&Pins { clock_enable: false, ..Pins::IDLE })), Rule::ClockEnable);
    assert_eq!(broken_rule(awake().clock(&Pins { data: Some(1), ..Pins::IDLE })), Rule::WriteData);
    let mut memory = awake();
    memory.clock(&Pins::of(activate(0))).unwrap();
    memory.clock(&Pins::IDLE).unwrap();
    assert_eq!(broken_rule(memory.clock(&Pins::of(write(0, true)))), Rule::WriteData);
}

/// A part of four rows that want a refresh every 10 us.
#[test]
fn rows_must_be_refreshed_in_time() {
    let small = Sheet { rows: 4, refresh_window_ps: 10_000_000, power_up: None, ..sheet() };
    let run = |gap: u64| {
        let mut memory = Memory::new(small, PERIOD_PS).unwrap();
        let command = |cycle: u64| if cycle % gap == 9 { Command::Refresh } else { Command::None };
        (0..20_000).try_for_each(|cycle| memory.clock(&Pins::of(command(cycle))).map(|_| ()))
    };
    run(250).unwrap();
    let violation = run(251).expect_err("a row is late");
    assert_eq!((violation.rule, violation.cycle), (Rule::RefreshWindow, 1_010), "{violation}");
}

#[test]
fn a_bank_may_not_stay_open() {
    let mut memory = Memory::new(Sheet { power_up: None, ..sheet() }, PERIOD_PS).unwrap();
    memory.clock(&Pins::of(activate(2))).unwrap();
    for _ in 0..10_000 {
        memory.clock(&Pins::IDLE).unwrap();
    }
    let violation = memory.clock(&Pins::IDLE).expect_err("open too long");
    assert_eq!((violation.rule, violation.cycle), (Rule::RasMost, 10_001));
}

/// Bursts at random places: reads give what was written last, masked words nothing.
fn what_is_written_is_read(sheet: Sheet) {
    let mut random = Random::from_seed_variable();
    let mut memory = Memory::new(Sheet { power_up: None, ..sheet }, PERIOD_PS).unwrap();
    let words = u64::from(sheet.burst / sheet.columns_a_cycle);
    let mut known = std::collections::HashMap::new();
    let mut reads = 0;
    for _ in 0..2_000 {
        let (bank, row, column) = (random.below(2) as u8, random.below(4) as u16, 8 * random.below(4) as u16);
        let writes = random.below(2) == 0;
        let (at, length) = (3, 40u64);
        for cycle in 0..length {
            let command = match cycle {
                0 => Command::Activate { bank, row },
                cycle if cycle == at && writes => Command::Write { bank, column, auto: true },
                cycle if cycle == at => Command::Read { bank, column, auto: true },
                20 => Command::Refresh,
                _ => Command::None,
            };
            let word = cycle.wrapping_sub(at);
            let place = |word: u64| (bank, row, u64::from(column) + word);
            let mut pins = Pins::of(command);
            if writes && word < words {
                let value = random.unsigned(16 * sheet.columns_a_cycle);
                (pins.data, pins.mask) = (Some(value), random.below(4) == 0);
                if !pins.mask {
                    known.insert(place(word), value);
                }
            }
            let driven = memory.clock(&pins).unwrap_or_else(|violation| panic!("{violation}"));
            let due = cycle.wrapping_sub(at + sheet.read_latency);
            assert_eq!(driven.is_some(), !writes && due < words, "cycle {cycle}");
            if let Some(expected) = driven.and_then(|_| known.get(&place(due))) {
                assert_eq!(driven, Some(*expected), "cycle {cycle}");
                reads += 1;
            }
        }
    }
    assert!(reads > 500, "{reads} words were known");
}

#[test]
fn cells_keep_what_is_written() {
    what_is_written_is_read(SDR_IS42S16160G_7);
    what_is_written_is_read(SDR_AS4C32M16SB_7);
    what_is_written_is_read(DDR3_1GBIT_X16);
}

#[test]
fn a_masked_read_is_not_driven() {
    let mut memory = Memory::new(Sheet { power_up: None, ..sheet() }, PERIOD_PS).unwrap();
    memory.clock(&Pins::of(activate(0))).unwrap();
    memory.clock(&Pins::IDLE).unwrap();
    memory.clock(&Pins::of(read(0, true))).unwrap();
    let driven: Vec<bool> = (3..16)
        .map(|cycle| memory.clock(&Pins { mask: cycle == 5, ..Pins::IDLE }).unwrap().is_some())
        .collect();
    let expected: Vec<bool> = (3..16).map(|cycle| (5..13).contains(&cycle) && cycle != 7).collect();
    assert_eq!(driven, expected);
}

#[test]
fn a_violation_tells_both_commands() {
    let (script, start) = wake();
    let script: Script =
        script.into_iter().chain([(start, activate(1)), (start + 1, read(1, true))]).collect();
    let violation = play(sheet(), &script, start + 9).expect_err("too early");
    assert_eq!(
        violation.to_string(),
        "cycle 91 (910 ns): expected: tRCD from activation to read or write; found: READ of bank 1, column 8 with \
         auto-precharge, after ACTIVATE of bank 1, row 5 in cycle 90"
    );
}

#[test]
fn pins_and_commands_are_one_to_one() {
    let commands = [
        Command::None,
        activate(3),
        read(1, false),
        read(2, true),
        write(1, true),
        PRECHARGE,
        PRECHARGE_ALL,
        Command::Refresh,
        Command::Mode { value: 0x033 },
        Command::Stop,
    ];
    for command in commands {
        assert_eq!(Command::of(&Pins::of(command)), command);
    }
}
