//! From the MODEL argument to a verified program: reads a compiled one, or imports and compiles a model. Which of the two a file is,
//! its first bytes say.

use super::images::{self, About};
use super::output::{self, grouped, megahertz, rate};
use super::schedule::Schedule;
use super::{Failure, GeometryChoice, ModelArguments};
use lpu_compiler::fit::{self, Choice};
use lpu_compiler::{CompileError, Compiled, Features};
use lpu_isa::Geometry;
use lpu_isa::host::DRAM_WORD_BYTES;
use lpu_isa::image::{self, Image};
use lpu_model::{Model, Tokenizer};
use lpu_runtime::serial;
use lpu_sim::device::Loaded;
use lpu_verifier::VerifiedProgram;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// A chip counts tokens in 16 bits, and the last number stands for none.
const TOKENS_MAX: u32 = 0xffff;
/// Larger than any chip's memories by far.
const IMAGE_BYTES_MAX: u64 = 1 << 30;
/// What the emulator can hold of a virtual chip on an ordinary computer.
const MEMORY_WORDS_MAX: usize = 1 << 31;

/// A program to run, and the words to run it with.
pub struct Source {
    pub image: VerifiedProgram,
    pub tokenizer: Option<Tokenizer>,
    /// Why the program has fewer positions than the model was made for; nothing is known of images.
    pub context_limit: Option<String>,
}

/// Reads or compiles what the arguments name.
pub fn open(arguments: &ModelArguments) -> Result<Source, Failure> {
    if is_image(&arguments.model)? {
        return open_image(arguments);
    }
    let place = images::place(arguments);
    if let Some((image, about)) = place.as_deref().and_then(images::find) {
        about.warnings.iter().for_each(output::warn);
        about.choice.iter().for_each(output::note);
        let tokenizer = tokenizer_of(arguments, &image)?;
        return Ok(Source { image, tokenizer, context_limit: about.context_limit });
    }
    let (model, tokenizer) = open_checkpoint(arguments)?;
    let Choice { geometry, smaller } = choose(arguments, &model, None)?;
    let compiled = try_compile(&arguments.model, &model, tokenizer.as_ref(), &geometry, None)
        .map_err(|error| refused(&arguments.model, &error))?;
    let context_limit = context_limit(&model, &compiled);
    let choice = choice_text(&compiled.image, &smaller);
    choice.iter().for_each(output::note);
    if let Some(place) = place {
        let warnings = model.warnings.clone();
        let about = About { warnings, context_limit: context_limit.clone(), choice };
        images::keep(&place, &compiled.image, about).unwrap_or_else(|error| {
            output::warn(format!("cannot keep the image as {}: {error}", place.display()));
        });
    }
    Ok(Source { image: compiled.image, tokenizer, context_limit })
}

/// Why a chip was chosen that is not the smallest, and how fast it is.
fn choice_text(image: &VerifiedProgram, smaller: &[(&str, CompileError)]) -> Option<String> {
    let reasons = smaller.iter().map(|(name, error)| match error {
        CompileError::DoesNotFit { memory, needed, available } => {
            format!("{name} has {} of {} {memory}", grouped(*available as u64), grouped(*needed as u64))
        }
        error => format!("not for {name}: {error}"),
    });
    let reasons: Vec<String> = reasons.collect();
    let geometry = image.geometry;
    let positions = 0..image.model.context as usize;
    let mean = Schedule::new(image).cycles_total(positions.clone()) as f64 / positions.len().max(1) as f64;
    (!reasons.is_empty()).then(|| {
        format!(
            "{} is for {}, the smallest chip that holds it ({}): {} tokens/s at {}, predicted",
            image.model.name,
            geometry.name,
            reasons.join("; "),
            rate(geometry.clock_hz as f64 / mean),
            megahertz(geometry.clock_hz)
        )
    })
}

/// What keeps a program from having all positions of its model.
pub fn context_limit(model: &Model, compiled: &Compiled) -> Option<String> {
    let Compiled { plan, .. } = compiled;
    let limit = plan.limit.as_ref()?;
    Some(format!(
        "the context is {} of the model's {} positions: {limit}",
        plan.context, model.config.context
    ))
}

/// The image that the arguments name, legal or not: to be looked at.
pub fn read(arguments: &ModelArguments) -> Result<Image, Failure> {
    match is_image(&arguments.model)? {
        true => read_image_for(arguments),
        false => Ok(open(arguments)?.image.into_image()),
    }
}

/// What the flash memory of a board with this chip holds so that the board loads the model when it starts.
pub fn stored(model: &Path, geometry: Geometry) -> Result<Vec<u8>, Failure> {
    let arguments = ModelArguments {
        model: model.to_owned(),
        tokenizer: None,
        geometry: Some(GeometryChoice::Named(geometry)),
    };
    serial::stored_program(&open(&arguments)?.image).map_err(Failure::machine)
}

/// The chip that the arguments name for a model, or one made to measure.
pub fn geometry_of(
    arguments: &ModelArguments,
    model: &Model,
    context: Option<usize>,
) -> Result<Geometry, Failure> {
    Ok(choose(arguments, model, context)?.geometry)
}

/// The same, and why not a smaller one.
fn choose(arguments: &ModelArguments, model: &Model, context: Option<usize>) -> Result<Choice, Failure> {
    let named = |geometry| Choice { geometry, smaller: Vec::new() };
    let (config, features) = (&model.config, Features::of(model));
    let found = match arguments.geometry {
        // Where no chip has so many positions, the one is meant that has the most.
        None => fit::choose(config, features, context).or_else(|_| fit::choose(config, features, None)),
        Some(GeometryChoice::Named(geometry)) => Ok(named(geometry)),
        Some(GeometryChoice::Virtual) => fit::virtual_geometry(model, context).map(named),
    };
    found.map_err(|error| refused(&arguments.model, &error))
}

/// What a model is called in reports: the name of its file or folder.
pub fn model_name(path: &Path) -> String {
    let absolute = path.canonicalize();
    let path = absolute.as_deref().unwrap_or(path);
    let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
    name.map_or("model".into(), |name| name.to_string_lossy().into_owned())
}

/// Reads a checkpoint and its tokenizer, which may be missing, and tells what the import left aside.
pub fn open_checkpoint(arguments: &ModelArguments) -> Result<(Model, Option<Tokenizer>), Failure> {
    let ModelArguments { model, tokenizer, .. } = arguments;
    let loaded = match tokenizer {
        Some(tokenizer) => {
            lpu_model::load_with_tokenizer(model, tokenizer).map(|(model, found)| (model, Some(found)))
        }
        None => lpu_model::load(model),
    };
    let loaded = loaded.map_err(Failure::input)?;
    loaded.0.warnings.iter().for_each(output::warn);
    Ok(loaded)
}

/// What is said where text cannot be turned into tokens: which tokenizer is missing, and which files of other names or sizes lie
/// where it was looked for.
pub fn missing_tokenizer(model: &Path, vocab: u32) -> String {
    let folder = if model.is_dir() { Some(model) } else { model.parent() };
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names = folder.read_dir().into_iter().flatten().flatten().map(|entry| entry.file_name());
    let mut others: Vec<String> = names
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| ["tok", "vocab"].iter().any(|part| name.to_lowercase().contains(part)))
        .filter(|name| folder.join(name).is_file())
        .collect();
    others.sort();
    let missing = format!("no tokenizer of {vocab} pieces lies beside the model");
    match others.is_empty() {
        true => missing,
        false => format!(
            "{missing} ({} not used: expected a name as tok*.bin or tokenizer.json, and {vocab} pieces)",
            others.join(", ")
        ),
    }
}

/// Compiles a checkpoint, for all positions that the chip has room for unless `context` says how many.
pub fn try_compile(
    path: &Path,
    model: &Model,
    tokenizer: Option<&Tokenizer>,
    geometry: &Geometry,
    context: Option<usize>,
) -> Result<Compiled, CompileError> {
    fit::check_token_ids(&model.config)?;
    let name = model_name(path);
    let bar = output::spinner(format!("compiling {name} for {}", geometry.name));
    let options = lpu_compiler::Options { name, context, ..lpu_compiler::Options::default() };
    let compiled = lpu_compiler::compile(model, tokenizer, geometry, &options);
    bar.finish_and_clear();
    compiled
}

/// A checkpoint that the compiler refused.
pub fn refused(path: &Path, error: &CompileError) -> Failure {
    let text = format!("{}: {error}", path.display());
    match error {
        CompileError::Illegal(_) | CompileError::Unsettled => Failure::machine(text),
        _ => Failure::input(text),
    }
}

/// Whether a file claims to be an image.
pub fn is_image(path: &Path) -> Result<bool, Failure> {
    let unreadable = |error| Failure::unreadable(path, &error);
    if path.is_dir() {
        return Ok(false);
    }
    let mut start = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(image::MAGIC.len() as u64).read_to_end(&mut start).map_err(unreadable)?;
    Ok(start == image::MAGIC)
}

/// Reads an image; refuses other files.
pub fn read_image(path: &Path) -> Result<Image, Failure> {
    if !is_image(path)? {
        return Err(Failure::input(format!(
            "{} is no program image; expected one made by `lpu compile MODEL -o FILE`",
            path.display()
        )));
    }
    let unreadable = |error| Failure::unreadable(path, &error);
    let file = File::open(path).map_err(unreadable)?;
    let found = file.metadata().map_err(unreadable)?.len();
    if found > IMAGE_BYTES_MAX {
        return Err(Failure::input(format!(
            "{} has {found} bytes; expected an image of at most {IMAGE_BYTES_MAX}",
            path.display()
        )));
    }
    let mut bytes = Vec::new();
    file.take(IMAGE_BYTES_MAX).read_to_end(&mut bytes).map_err(unreadable)?;
    let refused = |error: String| Failure::input(format!("{}: {error}", path.display()));
    let image = Image::decode(&bytes).map_err(|error| refused(error.to_string()))?;
    check_facts(&image).map_err(refused)?;
    Ok(image)
}

/// What a host relies on beyond the image's layout: without it, a run would read outside memories or never end.
fn check_facts(image: &Image) -> Result<(), String> {
    let Image { geometry, model, .. } = image;
    let matrix_words = (geometry.weight_rows + geometry.kv_rows).saturating_mul(geometry.mxm_lanes);
    let words = matrix_words.saturating_add(geometry.vmem_rows.saturating_mul(geometry.vxm_lanes));
    if words > MEMORY_WORDS_MAX {
        return Err(format!(
            "the image is for a chip of {words} words of memory; expected at most {MEMORY_WORDS_MAX}: compile the model again"
        ));
    }
    let expected = |name: &str, expected: String, found: u32| {
        Err(format!("the image states {name} {found}; expected {expected}: compile the model again"))
    };
    if !(1..=geometry.positions).contains(&(model.context as usize)) {
        return expected("a context of", format!("1 to {}", geometry.positions), model.context);
    }
    if !(1..=TOKENS_MAX).contains(&model.vocab) {
        return expected("a vocabulary of", format!("1 to {TOKENS_MAX}"), model.vocab);
    }
    if geometry.has_external_memory() {
        let (_, parts) = Loaded::new(image).logits_parts();
        let words = geometry.dram_granules * geometry.granule_bytes() / DRAM_WORD_BYTES;
        return match parts.iter().all(|(address, count)| address + count <= words) {
            true => Ok(()),
            false => expected("logits from granule", "all inside external memory".into(), model.logits_row),
        };
    }
    let rows = (model.vocab as usize).div_ceil(geometry.vxm_lanes);
    let last_row = geometry.vmem_rows.checked_sub(rows);
    match last_row.filter(|last| model.logits_row as usize <= *last) {
        Some(_) => Ok(()),
        None => expected("logits from row", format!("{rows} rows inside vector memory"), model.logits_row),
    }
}

/// Reads an image for the chip that the arguments name.
fn read_image_for(arguments: &ModelArguments) -> Result<Image, Failure> {
    let path = &arguments.model;
    let image = read_image(path)?;
    let other = match arguments.geometry {
        Some(GeometryChoice::Named(wanted)) if wanted != image.geometry => Some(wanted.name),
        Some(GeometryChoice::Virtual) if image.geometry.name != fit::VIRTUAL => Some(fit::VIRTUAL),
        _ => None,
    };
    if let Some(wanted) = other {
        return Err(Failure::input(format!(
            "{} is compiled for {}; expected one for {wanted}: compile the model for it, or leave out --geometry",
            path.display(),
            image.geometry.name,
        )));
    }
    Ok(image)
}

fn open_image(arguments: &ModelArguments) -> Result<Source, Failure> {
    let image = read_image_for(arguments)?;
    let tokenizer = tokenizer_of(arguments, &image)?;
    Ok(Source { image: verified(&arguments.model, image)?, tokenizer, context_limit: None })
}

/// The tokenizer that the arguments name, or the image's own.
fn tokenizer_of(arguments: &ModelArguments, image: &Image) -> Result<Option<Tokenizer>, Failure> {
    let vocab = image.model.vocab;
    Ok(match &arguments.tokenizer {
        Some(file) => Some(lpu_model::read_tokenizer(file, vocab as usize).map_err(Failure::input)?),
        None if image.tokenizer.is_empty() => None,
        None => Some(parse_tokenizer(&arguments.model, &image.tokenizer, vocab)?),
    })
}

/// An image made elsewhere, once the verifier has accepted it.
fn verified(path: &Path, image: Image) -> Result<VerifiedProgram, Failure> {
    let bar = output::spinner("checking");
    let verdict = VerifiedProgram::new(image);
    bar.finish_and_clear();
    verdict.map_err(|violation| {
        Failure::input(format!(
            "{}: the program is illegal: {violation}. Compile the model again; `lpu inspect --asm` shows the program",
            path.display()
        ))
    })
}

fn parse_tokenizer(path: &Path, bytes: &[u8], vocab: u32) -> Result<Tokenizer, Failure> {
    Tokenizer::parse_for(bytes, vocab as usize)
        .map_err(|error| Failure::input(format!("{}: {error}", path.display())))
}
