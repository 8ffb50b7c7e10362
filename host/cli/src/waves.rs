//! `lpu run --waves`: the signals of the Verilated chip, while some tokens run, as a file for a wave viewer.

use super::device::DeviceChoice;
use super::session::Session;
use super::write::{Draft, Target};
use super::{DeviceKind, Failure};
use lpu_isa::image::Image;
use lpu_sim::device::Device;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct WavesArguments {
    /// Write the chip's signals to an FST file for GTKWave or Surfer; only with --device rtl.
    #[arg(long, value_name = "FILE.fst")]
    waves: Option<PathBuf>,
    /// Positions to record with --waves: one position, or A..B without B.
    #[arg(long, value_name = "A..B", default_value = "0", value_parser = positions, requires = "waves")]
    waves_positions: RangeInclusive<u16>,
}

/// A file that is being filled.
pub struct Waves {
    file: Draft,
    positions: RangeInclusive<u16>,
}

fn positions(text: &str) -> Result<RangeInclusive<u16>, String> {
    let refused =
        || format!("expected one position, as 3, or a range of them, as 3..5 for 3 and 4; found {text:?}");
    let number = |text: &str| text.parse::<u16>().map_err(|_| refused());
    let Some((first, end)) = text.split_once("..") else {
        let only = number(text)?;
        return Ok(only..=only);
    };
    let (first, end) = (number(first)?, number(end)?);
    if first < end { Ok(first..=end - 1) } else { Err(refused()) }
}

/// A device whose waves are written, and what is known of them.
type Watched = (Box<dyn Device>, Waves);

impl WavesArguments {
    /// The file that was named, if one was.
    pub fn path(&self) -> Option<&Path> {
        self.waves.as_deref()
    }

    /// The device whose signals fill `target`.
    pub fn open(&self, target: Target, choice: &DeviceChoice, image: &Image) -> Result<Watched, Failure> {
        if *choice != DeviceChoice::Inside(DeviceKind::Rtl) {
            return Err(Failure::input(format!(
                "{} has no signals to show; expected `--device rtl` with --waves",
                choice.title()
            )));
        }
        let waves = Waves { file: target.draft()?, positions: self.waves_positions.clone() };
        let device = open(image, &waves)?;
        Ok((device, waves))
    }
}

#[cfg(feature = "waves")]
fn open(image: &Image, waves: &Waves) -> Result<Box<dyn Device>, Failure> {
    let mut chip = super::session::chip(image)?;
    chip.port().waves(waves.file.path(), waves.positions.clone()).map_err(Failure::input)?;
    Ok(Box::new(chip))
}

#[cfg(not(feature = "waves"))]
fn open(_image: &Image, _waves: &Waves) -> Result<Box<dyn Device>, Failure> {
    Err(Failure::input(
        "this `lpu` was built without waves; expected a run without --waves. \
         To have them, build with `cargo build --release -p lpu-cli --features waves`",
    ))
}

impl Waves {
    /// Refuses positions that a run of `end` positions does not reach.
    pub fn check(&self, end: usize) -> Result<(), Failure> {
        let first = *self.positions.start();
        if usize::from(first) < end {
            return Ok(());
        }
        Err(Failure::input(format!(
            "--waves-positions begins at {first}; expected a position below {end}, those that this run executes"
        )))
    }

    /// Puts the file in its place; the device that filled it must be gone.
    pub fn finish(self, session: &Session) -> Result<(), Failure> {
        let shown = session.steps.iter().filter(|step| {
            u16::try_from(step.position).is_ok_and(|position| self.positions.contains(&position))
        });
        if shown.count() == 0 {
            return Err(Failure::input(format!(
                "the run ended after {} positions, before {} of --waves-positions; expected a longer run: \
                 use --ignore-eos or an earlier position",
                session.steps.len(),
                self.positions.start()
            )));
        }
        self.file.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_one_or_a_range_without_its_end() {
        assert_eq!(positions("7"), Ok(7..=7));
        assert_eq!(positions("3..5"), Ok(3..=4));
        for bad in ["", "..", "5..5", "5..3", "1..=2", "-1", "70000"] {
            let expected = format!(
                "expected one position, as 3, or a range of them, as 3..5 for 3 and 4; found {bad:?}"
            );
            assert_eq!(positions(bad), Err(expected));
        }
    }
}
