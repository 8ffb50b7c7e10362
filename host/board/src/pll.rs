//! Divisors of a PLL for the clocks that a board wants.

use super::Error;
use super::description::{Board, Family};
use lpu_hdl::board::PllSettings;
use serde::Serialize;

/// Clocks that the PLL gives.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Clocks {
    pub datapath_hz: u64,
    pub control_hz: u64,
    #[serde(skip)]
    pub settings: PllSettings,
}

/// How far the datapath clock may lie from the one that was wanted.
const ERROR_MAX: f64 = 0.005;
/// Largest divisor of input and feedback, and of an output.
const INPUT_DIVISOR_MAX: u32 = 80;
const OUTPUT_DIVISOR_MAX: u32 = 128;

/// The clocks of a board, with another datapath clock than its own if one is named.
pub fn clocks(board: &Board, wanted_mhz: Option<f64>) -> Result<Clocks, Error> {
    let wanted = wanted_mhz.unwrap_or(board.clocks.datapath_mhz);
    let oscillator = board.clocks.oscillator_mhz;
    let nearest = ratios(board)
        .map(|(input, feedback)| (input, feedback, oscillator * f64::from(feedback) / f64::from(input)))
        .filter(|(.., clock)| output_divisor(board, *clock).is_some())
        .min_by(|a, b| (a.2 - wanted).abs().total_cmp(&(b.2 - wanted).abs()).then(a.0.cmp(&b.0)));
    let Some((input, feedback, clock)) = nearest else {
        return Err(Error::Input(format!(
            "the PLL of {} makes no clock at all from {oscillator} MHz: correct clocks.loop_mhz and clocks.detector_mhz",
            board.name
        )));
    };
    if (clock / wanted - 1.0).abs() > ERROR_MAX {
        return Err(Error::Input(format!(
            "the PLL of {} cannot make {wanted} MHz from {oscillator} MHz: name another --clock, the nearest is {clock:.3}",
            board.name
        )));
    }
    let output = output_divisor(board, clock).expect("filtered above");
    Ok(settle(board, input, feedback, output, clock))
}

/// Divisors of input and feedback that the phase detector allows, least input first.
fn ratios(board: &Board) -> impl Iterator<Item = (u32, u32)> {
    let most = INPUT_DIVISOR_MAX;
    let [low, high] = board.clocks.detector_mhz;
    let oscillator = board.clocks.oscillator_mhz;
    let allowed = move |input: &u32| (low..=high).contains(&(oscillator / f64::from(*input)));
    (1..=most).filter(allowed).flat_map(move |input| (1..=most).map(move |feedback| (input, feedback)))
}

/// The divisor that puts the loop nearest to the middle of its range.
fn output_divisor(board: &Board, clock: f64) -> Option<u32> {
    let [low, high] = board.clocks.loop_mhz;
    let middle = (low + high) / 2.0;
    let within =
        (1..=OUTPUT_DIVISOR_MAX).filter(|divisor| (low..=high).contains(&(clock * f64::from(*divisor))));
    within.min_by(|a, b| {
        let off = |divisor: &u32| (clock * f64::from(*divisor) - middle).abs();
        off(a).total_cmp(&off(b))
    })
}

/// The control clock is the fastest not above its limit that is the datapath clock divided by a whole number: the
/// edges of both then fall together.
fn settle(board: &Board, input: u32, feedback: u32, output: u32, clock: f64) -> Clocks {
    let ratio = (clock / board.clocks.control_mhz_max - 1e-9).ceil().max(1.0) as u32;
    let settings = match board.device.family {
        Family::Ecp5 => PllSettings::Ecp5 { input, feedback, output, output_control: output * ratio },
    };
    let hertz = |megahertz: f64| (megahertz * 1e6).round() as u64;
    Clocks { datapath_hz: hertz(clock), control_hz: hertz(clock / f64::from(ratio)), settings }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ulx3s() -> Board {
        let mut board = Board::find("ulx3s-85f").unwrap();
        board.clocks.control_mhz_max = 50.0;
        board
    }

    #[test]
    fn it_agrees_with_ecppll() {
        // `ecppll -i 25 -o 100 --clkout1 50`
        let found = clocks(&ulx3s(), Some(100.0)).unwrap();
        assert_eq!(
            found.settings,
            PllSettings::Ecp5 { input: 1, feedback: 4, output: 6, output_control: 12 }
        );
        assert_eq!((found.datapath_hz, found.control_hz), (100_000_000, 50_000_000));
    }

    #[test]
    fn every_fifth_megahertz_is_close_and_within_the_limits() {
        let board = ulx3s();
        for wanted in (20..=300).step_by(5).map(f64::from) {
            let Clocks { datapath_hz, control_hz, settings } = clocks(&board, Some(wanted)).unwrap();
            assert!((datapath_hz as f64 / 1e6 / wanted - 1.0).abs() <= ERROR_MAX, "{wanted}");
            let ratio = datapath_hz as f64 / control_hz as f64;
            assert!(
                control_hz <= 50_000_000 && (ratio - ratio.round()).abs() < 1e-6,
                "{wanted}: {control_hz}"
            );
            let PllSettings::Ecp5 { input, feedback, output, output_control } = settings;
            let loop_mhz = 25.0 / f64::from(input) * f64::from(feedback * output);
            assert!((400.0..=800.0).contains(&loop_mhz), "{wanted}: {loop_mhz}");
            assert!(25.0 / f64::from(input) >= 3.125, "{wanted}");
            assert_eq!(output_control % output, 0);
        }
    }

    #[test]
    fn an_impossible_clock_is_refused() {
        assert_eq!(
            clocks(&ulx3s(), Some(900.0)).unwrap_err().to_string(),
            "the PLL of ulx3s-85f cannot make 900 MHz from 25 MHz: name another --clock, the nearest is 800.000"
        );
        // An eighth of the oscillator is the least step, and 101.5 MHz lies between two of them.
        let words = clocks(&ulx3s(), Some(101.5)).unwrap_err().to_string();
        assert!(words.ends_with("the nearest is 100.000"), "{words}");
    }
}
