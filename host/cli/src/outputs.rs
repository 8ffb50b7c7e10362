//! The files that the options of one command name, so that no two of them, nor one and the command's report or input, get in
//! each other's way.

use super::write::Target;
use super::{Failure, ModelArguments};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Files of a model that no output replaces.
const WEIGHTS: [&str; 4] = ["safetensors", "gguf", "bin", "model"];

/// What a command will write.
#[derive(Default)]
pub struct Outputs<'a> {
    inputs: Vec<&'a Path>,
    taken: Vec<(&'static str, Target)>,
}

impl<'a> Outputs<'a> {
    /// Outputs of a command that reads these files.
    pub fn beside(arguments: &'a ModelArguments) -> Self {
        let inputs = [Some(&arguments.model), arguments.tokenizer.as_ref()];
        Self { inputs: inputs.into_iter().flatten().map(PathBuf::as_path).collect(), taken: Vec::new() }
    }

    /// The place that an option names, if it was given.
    ///
    /// # Errors
    /// It cannot be written, is one of the inputs, or is the place of another option.
    pub fn open(&mut self, option: &'static str, path: Option<&Path>) -> Result<Option<Target>, Failure> {
        let Some(path) = path else { return Ok(None) };
        let target = Target::new(path)?;
        if self.inputs.iter().any(|input| is_input(&target, input)) {
            return Err(Failure::input(format!(
                "{} is one of the files that this command reads; expected another one to write: name it with {option}",
                path.display()
            )));
        }
        let same = |(_, other): &&(_, Target)| {
            other.is_standard_output() && target.is_standard_output()
                || other.file().is_some_and(|file| target.file() == Some(file))
        };
        if let Some((other, _)) = self.taken.iter().find(same) {
            return Err(both(other, option));
        }
        self.taken.push((option, target.clone()));
        Ok(Some(target))
    }

    /// Whether an option has taken standard output, so that the command's own text goes to standard error. `data` names the option
    /// that asks for data in place of a text for people, which is never moved.
    ///
    /// # Errors
    /// Data and an option both want standard output.
    pub fn take_standard_output(&self, data: Option<&'static str>) -> Result<bool, Failure> {
        let taken = self.taken.iter().find(|(_, target)| target.is_standard_output());
        match (taken, data) {
            (Some((option, _)), Some(data)) => Err(both(option, data)),
            (taken, _) => Ok(taken.is_some()),
        }
    }

    /// The stream of the command's own text, with its styles.
    pub fn report(&self, data: Option<&'static str>) -> Result<Box<dyn Write>, Failure> {
        Ok(match self.take_standard_output(data)? {
            true => Box::new(anstream::stderr()),
            false => Box::new(anstream::stdout()),
        })
    }
}

fn both(first: &str, second: &str) -> Failure {
    Failure::input(format!(
        "{first} and {second} would be written to the same place; expected two: name a file of its own for one of them"
    ))
}

/// Whether a file is this input, or lies in this folder of a model and holds weights or words.
fn is_input(target: &Target, input: &Path) -> bool {
    if target.is_file(input) {
        return true;
    }
    let Some(file) = target.file().filter(|file| file.exists()) else { return false };
    let in_folder = input.canonicalize().is_ok_and(|folder| file.parent() == Some(&folder));
    in_folder && file.extension().is_some_and(|end| WEIGHTS.iter().any(|known| end == *known))
}
