//! The description of a board: a folder of `constraints/`, read into types.

use super::Error;
use super::floorplan::Floorplan;
use super::settings::Settings;
use include_dir::{Dir, include_dir};
use lpu_isa::Geometry;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The boards that this build knows by name.
static BOARDS: Dir = include_dir!("$CARGO_MANIFEST_DIR/../../constraints");

/// Name of a board's description in its folder.
const DESCRIPTION: &str = "board.toml";

/// A family of FPGAs: chooses tools and vendor cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Lattice ECP5: Yosys, nextpnr-ecp5, ecppack.
    Ecp5,
}

/// The FPGA on a board, and how its tools are told.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    pub family: Family,
    pub part: String,
    /// Options of place and route.
    pub place: Vec<String>,
    /// Fewest passes that refine a placement worth routing.
    #[serde(default)]
    pub place_passes: usize,
    /// nextpnr's settings for routing, by name.
    #[serde(default)]
    pub route: Settings,
    /// The clocks that the router aims at, over those that are wanted: its own delays are a little short.
    #[serde(default = "exactly")]
    pub route_goal: f64,
    /// Options of the packer.
    pub pack: Vec<String>,
    pub lut: u64,
    pub ff: u64,
    pub ebr: u64,
    pub dsp: u64,
    /// Where its block RAMs and multipliers are, for a chip that fills it.
    pub floorplan: Option<Floorplan>,
}

/// What is wanted itself.
fn exactly() -> f64 {
    1.0
}

/// Frequencies of a board, and what its PLL can do.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockPlan {
    pub oscillator_mhz: f64,
    pub datapath_mhz: f64,
    pub control_mhz_max: f64,
    /// Lowest and highest frequency of the PLL's loop.
    pub loop_mhz: [f64; 2],
    /// Lowest and highest frequency of its phase detector.
    pub detector_mhz: [f64; 2],
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leds {
    pub active_low: bool,
}

/// How a bitstream reaches the board.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Programmer {
    /// openFPGALoader's name of the board.
    pub board: String,
    /// Vendor and product of the USB bridge, in hexadecimal.
    pub usb: String,
    pub usb_name: String,
    pub flash_bytes: u64,
}

/// A board.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    #[serde(skip)]
    pub name: String,
    pub title: String,
    pub revision: String,
    #[serde(rename = "geometry")]
    pub geometry_name: String,
    #[serde(rename = "constraints")]
    pub constraints_file: String,
    /// Text of the pin file.
    #[serde(skip)]
    pub pins: String,
    pub device: Device,
    pub clocks: ClockPlan,
    pub leds: Leds,
    pub programmer: Programmer,
}

impl Board {
    /// Names of all boards, sorted.
    pub fn names() -> Vec<String> {
        let name = |folder: &Dir| folder.path().to_string_lossy().into_owned();
        let with_description = |folder: &&Dir| folder.get_file(folder.path().join(DESCRIPTION)).is_some();
        let mut names: Vec<String> = BOARDS.dirs().filter(with_description).map(name).collect();
        names.sort();
        names
    }

    /// Every board that this build knows.
    pub fn all() -> Result<Vec<Board>, Error> {
        Self::names().iter().map(|name| Self::find(name)).collect()
    }

    /// The board of a name, or of a folder on disk when the name holds a slash.
    pub fn find(name: &str) -> Result<Board, Error> {
        if name.contains(['/', '\\']) {
            return Self::in_folder(Path::new(name));
        }
        let text = |file: &str| {
            let file = BOARDS.get_file(Path::new(name).join(file))?;
            file.contents_utf8().map(str::to_owned)
        };
        let Some(description) = text(DESCRIPTION) else {
            return Err(Error::Input(format!(
                "no board is named `{name}`; expected one of {}, or a folder such as ./myboard with a {DESCRIPTION}: \
                 `lpu boards` lists them",
                Self::names().join(", ")
            )));
        };
        Self::parse(name, &description, text)
    }

    fn in_folder(folder: &Path) -> Result<Board, Error> {
        let description = folder.join(DESCRIPTION);
        let text =
            std::fs::read_to_string(&description).map_err(|error| Error::file(&description, &error))?;
        let name = folder.file_name().map_or_else(|| "board".into(), |name| name.to_string_lossy());
        Self::parse(&name, &text, |file| std::fs::read_to_string(folder.join(file)).ok())
    }

    fn parse(name: &str, description: &str, text: impl Fn(&str) -> Option<String>) -> Result<Board, Error> {
        let refused = |why: String| Error::Input(format!("{name}/{DESCRIPTION}: {why}"));
        let mut board: Board = toml::from_str(description).map_err(|error| {
            refused(format!(
                "{}\nsee constraints/README.md for the keys",
                lpu_model::text::plain(error).trim()
            ))
        })?;
        board.name = name.to_owned();
        board.pins = text(&board.constraints_file).ok_or_else(|| {
            refused(format!("expected the pin file `{}` beside it, found none", board.constraints_file))
        })?;
        board.geometry_or_refuse().map_err(refused)?;
        if board.usb_id().is_none() {
            let found = &board.programmer.usb;
            return Err(refused(format!(
                "programmer.usb: expected four hexadecimal digits, a colon, four more; found `{found}`"
            )));
        }
        Ok(board)
    }

    fn geometry_or_refuse(&self) -> Result<Geometry, String> {
        Geometry::by_name(&self.geometry_name).ok_or_else(|| {
            let names = Geometry::ALL.map(|geometry| geometry.name).join(" or ");
            format!("geometry: expected {names}, found `{}`", self.geometry_name)
        })
    }

    /// The chip of this board.
    pub fn geometry(&self) -> Geometry {
        self.geometry_or_refuse().expect("checked when the description was read")
    }

    /// Vendor and product of the board's USB bridge.
    pub fn usb_id(&self) -> Option<(u16, u16)> {
        let (vendor, product) = self.programmer.usb.split_once(':')?;
        let number = |text: &str| (text.len() == 4).then(|| u16::from_str_radix(text, 16).ok()).flatten();
        Some((number(vendor)?, number(product)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::build::plan;
    use super::super::pll::clocks;
    use super::*;

    #[test]
    fn every_folder_is_a_board_with_a_readme() {
        let names = Board::names();
        assert!(names.contains(&"ulx3s-85f".to_owned()), "{names:?}");
        for board in Board::all().unwrap() {
            assert!(BOARDS.get_file(Path::new(&board.name).join("README.md")).is_some(), "{}", board.name);
            let design = lpu_hdl::board::emit(&plan(&board, &clocks(&board, None).unwrap())).unwrap();
            for port in design.inputs.iter().chain(&design.outputs).map(|port| &port.name) {
                // The ECP5's configuration logic has the pin of the flash's clock.
                let named = board.pins.contains(&format!("COMP \"{port}\""));
                assert_eq!(named, port != "flash_clock", "{}: the pin of {port}", board.name);
            }
        }
    }

    fn refused(damage: impl Fn(&str) -> String) -> String {
        let file = |file: &str| BOARDS.get_file(Path::new("ulx3s-85f").join(file))?.contents_utf8();
        let text = damage(file(DESCRIPTION).unwrap());
        let Err(Error::Input(words)) = Board::parse("mine", &text, |name| file(name).map(str::to_owned))
        else {
            panic!("accepted")
        };
        words
    }

    #[test]
    fn faults_of_a_description_are_named() {
        assert_eq!(
            refused(|text| text.replace("geometry = \"ulx3s-85f\"", "geometry = \"huge\"")),
            "mine/board.toml: geometry: expected ulx3s-85f or nano, found `huge`"
        );
        assert_eq!(
            refused(|text| text.replace("pins.lpf", "pin.lpf")),
            "mine/board.toml: expected the pin file `pin.lpf` beside it, found none"
        );
        assert_eq!(
            refused(|text| text.replace("0403:6015", "403:6015")),
            "mine/board.toml: programmer.usb: expected four hexadecimal digits, a colon, four more; found `403:6015`"
        );
        let words = refused(|text| text.replace("active_low =", "inverted ="));
        assert!(words.contains("unknown field `inverted`, expected `active_low`"), "{words}");
        assert!(words.ends_with("see constraints/README.md for the keys"), "{words}");
    }

    #[test]
    fn an_unknown_board_is_answered_with_the_known_ones() {
        let error = Board::find("ulx4s").unwrap_err().to_string();
        assert!(error.starts_with("no board is named `ulx4s`; expected one of "), "{error}");
        assert!(error.contains("ulx3s-85f"), "{error}");
    }
}
