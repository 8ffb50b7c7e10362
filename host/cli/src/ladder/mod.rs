//! `lpu bench --ladder`: models of growing size beside what others published and beside this computer.

mod measure;
mod published;
mod report;

use super::number::whole;
use super::output::{json, spinner};
use super::outputs::Outputs;
use super::{Failure, ModelArguments, source};
use lpu_compiler::fit;
use lpu_isa::Geometry;
use lpu_model::Model;
use lpu_model::synthetic::{Extras, stories_15m, synthetic_with};
use measure::{Row, Rung, measure};
use published::Published;
use serde::Serialize;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// Where stories260K lies if nobody says: beside the checkout, whose folder of models is known.
const SHARED: &str = "../../shared/models/stories260K/stories260K.bin";
/// Seed of the weights that no text was learned by.
const SEED: u64 = 15;

#[derive(clap::Args)]
pub struct LadderArguments {
    /// Compare models from 4,192 to 15 million parameters with published designs and with fp32 on this computer.
    #[arg(long)]
    pub ladder: bool,
    /// Print the comparison as Markdown [default: a table on a terminal, Markdown elsewhere].
    #[arg(long, requires = "ladder", conflicts_with_all = ["json", "csv"])]
    md: bool,
    /// Print the comparison as comma-separated values.
    #[arg(long, requires = "ladder", conflicts_with = "json")]
    csv: bool,
    /// Draw the comparison as SVG; - is standard output.
    #[arg(long, value_name = "OUT.svg", requires = "ladder")]
    plot: Option<PathBuf>,
    /// Folder with the models of this project.
    #[arg(long, value_name = "FOLDER", requires = "ladder", default_value = "models")]
    models: PathBuf,
    /// Skip models with more than N parameters.
    #[arg(long, value_name = "N", requires = "ladder", default_value_t = u64::MAX, hide_default_value = true, value_parser = whole::<u64>(0))]
    parameters_max: u64,
}

impl LadderArguments {
    /// Refuses the ladder's options without it: the parser lets them pass beside an option that excludes it.
    pub fn check(&self) -> Result<(), Failure> {
        let given = [("--md", self.md), ("--csv", self.csv), ("--plot", self.plot.is_some())];
        match given.iter().find(|(_, given)| *given && !self.ladder) {
            None => Ok(()),
            Some((option, _)) => Err(Failure::input(format!(
                "{option} is an option of the ladder; expected --ladder beside it, or a run without {option}"
            ))),
        }
    }
}

#[derive(Serialize)]
struct Report {
    isa_hash: String,
    rows: Vec<Row>,
}

/// Measures the ladder and reports it.
pub fn run(arguments: &LadderArguments, stories: Option<&Path>, as_json: bool) -> Result<(), Failure> {
    let mut outputs = Outputs::default();
    let plot = outputs.open("--plot", arguments.plot.as_deref())?;
    let data = as_json.then_some("--json").or(arguments.csv.then_some("--csv"));
    let mut out = outputs.report(data.or(arguments.md.then_some("--md")))?;
    let bar = spinner("measuring");
    let mut rows = Vec::new();
    for rung in rungs(arguments, stories)? {
        bar.set_message(format!("measuring {}", rung.name));
        rows.push(measure(&rung)?);
    }
    bar.finish_and_clear();
    if let Some(target) = plot {
        target.write(report::picture(&rows)?.as_bytes())?;
    }
    if as_json {
        return json(&Report { isa_hash: format!("{:016x}", lpu_isa::instruction::ISA_HASH), rows });
    }
    match (arguments.csv, arguments.md) {
        (true, _) => report::csv(&mut out, &rows),
        (_, false) if std::io::stdout().is_terminal() => report::terminal(&mut out, &rows),
        _ => report::markdown(&mut out, &rows),
    }
}

/// The models, the smallest first.
fn rungs(arguments: &LadderArguments, stories: Option<&Path>) -> Result<Vec<Rung>, Failure> {
    let folder = &arguments.models;
    let beside = folder.join(SHARED);
    let stories = stories.map(Path::to_owned).or_else(|| beside.is_file().then_some(beside));
    let mut rungs = Vec::new();
    let files = [
        (Some(folder.join("microgpt")), "microGPT", published::MICRO_GPT, "names, trained here"),
        (
            Some(folder.join("char-115k")),
            "characters 115K",
            published::CHARACTERS,
            "ZyboGPT's shape, trained here",
        ),
        (Some(folder.join("stories-lpu/model.bin")), "stories-lpu", &[], "the bundled model"),
        (stories, "stories260K", published::STORIES_260K, "public checkpoint"),
    ];
    for (path, name, published, remark) in files {
        if let Some(path) = path {
            rungs.extend(trained(&path, name, published, remark, arguments.parameters_max)?);
        }
    }
    if 15_000_000 <= arguments.parameters_max {
        rungs.push(random()?);
    }
    Ok(rungs)
}

/// A model from a file, unless it has too many parameters.
fn trained(
    path: &Path,
    name: &str,
    published: &'static [Published],
    remark: &'static str,
    parameters_max: u64,
) -> Result<Option<Rung>, Failure> {
    let arguments = ModelArguments { model: path.to_owned(), tokenizer: None, geometry: None };
    let (model, tokenizer) = source::open_checkpoint(&arguments).map_err(|failure| match failure {
        Failure::Input(text) if !path.exists() => Failure::Input(format!(
            "{text}. The ladder's models lie in the folder `models` of a checkout: run it there, or name the folder with --models"
        )),
        other => other,
    })?;
    let rung = Rung { name: name.into(), model, tokenizer, geometry: Geometry::ULX3S_85F, remark, published };
    Ok((rung.model.parameter_count() as u64 <= parameters_max).then_some(rung))
}

/// A model of the shape of stories15M with random weights: its cycles do not depend on them.
fn random() -> Result<Rung, Failure> {
    let model = largest()?;
    let geometry = fit::virtual_geometry(&model, None).map_err(Failure::machine)?;
    Ok(Rung {
        name: "stories15M's shape".into(),
        model,
        tokenizer: None,
        geometry,
        remark: "random weights, on a virtual chip of the model's size",
        published: published::STORIES_15M,
    })
}

fn largest() -> Result<Model, Failure> {
    let config = stories_15m();
    synthetic_with(&config, Extras::usual(&config), SEED).map_err(Failure::machine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_rung_has_its_shape() {
        assert_eq!(largest().expect("a possible shape").parameter_count(), 15_191_712);
    }
}
