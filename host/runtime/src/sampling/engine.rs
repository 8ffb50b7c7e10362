//! A loaded device that answers prompts one after the other.

use super::generation::Generation;
use super::options::{Chooser, Options, OptionsError};
use lpu_isa::Geometry;
use lpu_isa::arith::Scalar;
use lpu_isa::image::ModelInfo;
use lpu_model::Tokenizer;
use lpu_model::tokenizer::EncodeError;
use lpu_sim::device::{Device, DeviceError, inverse_temperature};
use lpu_sim::prediction::Predictor;
use lpu_verifier::VerifiedProgram;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Token number that stands for none in an image.
const NO_TOKEN: u32 = lpu_isa::host::NO_TOKEN as u32;

#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Options(#[from] OptionsError),
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error(
        "the prompt has {found} tokens; expected at most {context}, the context on {geometry}: shorten the prompt"
    )]
    PromptTooLong { found: usize, context: usize, geometry: &'static str },
    #[error(
        "the prompt holds token {found}; expected ids below {vocab}: encode it with this model's tokenizer"
    )]
    Token { found: u32, vocab: u32 },
    #[error(
        "the chip cannot express the temperature {temperature}; expected 0.05 to 100, or 0 for the most likely token"
    )]
    Temperature { temperature: f64 },
    #[error(
        "expected a prompt behind the start token {first}, found none: this program holds that token's position and does not run it; \
         begin the text with a word"
    )]
    NothingToRead { first: u32 },
    #[error("no tokenizer of {vocab} pieces belongs to the model; expected one to turn text into tokens")]
    NoTokenizer { vocab: u32 },
}

/// Ends a generation from another thread, after the current token.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A device with a program, and the words to use it with.
pub struct Engine {
    pub(super) device: Box<dyn Device>,
    pub(super) model: ModelInfo,
    pub(super) geometry: Geometry,
    pub(super) predictor: Predictor,
    pub(super) tokenizer: Option<Tokenizer>,
    /// Inputs of the positions whose keys and values the device holds, from position 0 on.
    pub(super) held: Vec<u16>,
}

impl Engine {
    /// Loads the program into the device.
    ///
    /// # Errors
    /// When the device refuses the image.
    pub fn new(
        mut device: Box<dyn Device>,
        program: &VerifiedProgram,
        tokenizer: Option<Tokenizer>,
    ) -> Result<Self, DeviceError> {
        crate::load(program, device.as_mut())?;
        Ok(Self {
            device,
            model: program.model.clone(),
            geometry: program.geometry,
            predictor: Predictor::new(program),
            tokenizer,
            held: vec![program.model.bos as u16; program.model.first_position as usize],
        })
    }

    pub fn model(&self) -> &ModelInfo {
        &self.model
    }

    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    pub fn tokenizer(&self) -> Option<&Tokenizer> {
        self.tokenizer.as_ref()
    }

    pub fn device(&mut self) -> &mut dyn Device {
        self.device.as_mut()
    }

    /// The ids of a prompt: at least one.
    ///
    /// # Errors
    /// When there is no tokenizer, or it cannot say the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, GenerateError> {
        let bos = if self.model.bos == NO_TOKEN { 0 } else { self.model.bos };
        let ids = match &self.tokenizer {
            Some(tokenizer) => tokenizer.encode(text)?,
            None if text.is_empty() => Vec::new(),
            None => return Err(GenerateError::NoTokenizer { vocab: self.model.vocab }),
        };
        Ok(if ids.is_empty() { vec![bos] } else { ids })
    }

    /// The prompt with the token in front of it whose keys and values are part of the program, where they are.
    fn with_first(&self, prompt: &[u32]) -> Result<Vec<u32>, GenerateError> {
        let bos = self.model.bos;
        if self.model.first_position == 0 {
            return Ok(prompt.to_vec());
        }
        let rest = prompt.strip_prefix(&[bos]).unwrap_or(prompt);
        if rest.is_empty() {
            return Err(GenerateError::NothingToRead { first: bos });
        }
        Ok([&[bos], rest].concat())
    }

    /// Starts to answer a prompt. Positions whose inputs are those of the last prompt are not run again. An empty prompt is
    /// the token that starts a text.
    ///
    /// # Errors
    /// When the options or the prompt are impossible, or the device fails.
    pub fn generate(&mut self, prompt: &[u32], options: &Options) -> Result<Generation<'_>, GenerateError> {
        options.check(self.model.vocab)?;
        let start = self.encode("")?;
        let prompt = if prompt.is_empty() { &start } else { prompt };
        let prompt = &self.with_first(prompt)?[..];
        let context = (self.model.context as usize).min(self.geometry.positions);
        if prompt.len() > context {
            let geometry = self.geometry.name;
            return Err(GenerateError::PromptTooLong { found: prompt.len(), context, geometry });
        }
        let vocab = self.model.vocab;
        let narrow = |&id: &u32| {
            u16::try_from(id).ok().filter(|_| id < vocab).ok_or(GenerateError::Token { found: id, vocab })
        };
        let prompt = prompt.iter().map(narrow).collect::<Result<Vec<u16>, _>>()?;
        let scale = self.scale(options)?;
        Ok(Generation::new(self, prompt, options, scale, context))
    }

    /// The chip's inverse temperature, if the chip samples.
    fn scale(&self, options: &Options) -> Result<Option<Scalar>, GenerateError> {
        let temperature = options.temperature;
        if options.chooser() == Chooser::Host || temperature == 0.0 {
            return Ok(None);
        }
        let scale = inverse_temperature(&self.model, temperature);
        scale.map(Some).ok_or(GenerateError::Temperature { temperature })
    }

    /// The ids that end a text, the likeliest first.
    pub(super) fn ends(&self) -> Vec<u32> {
        let named = [self.model.eos, self.model.bos].into_iter().filter(|id| *id != NO_TOKEN);
        let mut ends = self.tokenizer.as_ref().map(Tokenizer::ends).unwrap_or_default();
        for id in named {
            if !ends.contains(&id) {
                ends.push(id);
            }
        }
        ends
    }
}
