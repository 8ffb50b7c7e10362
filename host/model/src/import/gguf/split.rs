//! One model in several GGUF files, as `llama-gguf-split` writes them: `NAME-00001-of-00003.gguf`. Each has its number from 0
//! (`split.no`), how many there are (`split.count`) and how many tensors they have together; the first has all other facts.

use super::super::error::{About, ImportError};
use super::super::folder::{self, Part};
use super::reader::{Container, Fact};
use bytes::Bytes;
use std::path::{Path, PathBuf};

const NUMBER: &str = "split.no";
const COUNT: &str = "split.count";
const TENSORS: &str = "split.tensors.count";

/// The files of a split model in order; `None` for a whole one.
///
/// # Errors
/// When a part is not beside the others, or the file has not the name of one.
pub fn parts(path: &Path, file: &Bytes) -> Result<Option<Vec<PathBuf>>, ImportError> {
    let about = About(path);
    let container = Container::parse(file).map_err(|reason| about.damaged(reason))?;
    let count = whole(&container, COUNT).unwrap_or(1);
    if count <= 1 {
        return Ok(None);
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let Some(part) = Part::of(&name).filter(|part| part.count as u64 == count) else {
        return Err(about.damaged(format!(
            "this is one of {count} parts of a model; expected it under its name, NAME-00001-of-{count:05}.gguf, \
             beside the others"
        )));
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    if let Some(missing) = folder::missing(folder, part.all()) {
        return Err(about.damaged(format!(
            "this is part {} of {count} of a model; expected {missing} beside it: download the rest",
            part.number
        )));
    }
    Ok(Some(part.all().map(|name| folder.join(name)).collect()))
}

/// Adds the other parts to the first.
///
/// # Errors
/// When a part is damaged or belongs to another model.
pub fn join<'f>(
    first: &mut Container<'f>,
    path: &Path,
    others: &'f [(PathBuf, Bytes)],
) -> Result<(), ImportError> {
    check_number(first, path, 0, others.len())?;
    for (index, (path, map)) in others.iter().enumerate() {
        let part = Container::parse(map).map_err(|reason| About(path).damaged(reason))?;
        check_number(&part, path, index + 1, others.len())?;
        first.join(part).map_err(|reason| About(path).damaged(reason))?;
    }
    match whole(first, TENSORS).filter(|_| !others.is_empty()) {
        Some(expected) if expected != first.tensors.len() as u64 => Err(About(path).damaged(format!(
            "the parts have {} tensors together; expected {expected}: they are not of one model",
            first.tensors.len()
        ))),
        _ => Ok(()),
    }
}

fn check_number(part: &Container, path: &Path, number: usize, others: usize) -> Result<(), ImportError> {
    let found = (whole(part, NUMBER), whole(part, COUNT));
    if others == 0 || found == (Some(number as u64), Some(others as u64 + 1)) {
        return Ok(());
    }
    let name = |number: Option<u64>| number.map_or("no number".into(), |number| number.to_string());
    Err(About(path).damaged(format!(
        "{NUMBER} is {} and {COUNT} is {}; expected {number} and {}, as its name says",
        name(found.0),
        name(found.1),
        others + 1
    )))
}

fn whole(container: &Container, name: &str) -> Option<u64> {
    match container.facts.get(name) {
        Some(Fact::Whole(number)) => Some(*number),
        _ => None,
    }
}
