//! From a prompt to text, token by token, on any device: what `lpu run`, `lpu chat` and the server are made of.
//!
//! | choice | made by | what it costs |
//! |---|---|---|
//! | most likely token, or temperature alone | the chip, without the host between two tokens | nothing |
//! | the same with log-probabilities | the chip, which pauses after every token | the logits cross the host port |
//! | top-k, top-p, min-p, penalties, biases | the host | the same, and a start of the chip for each token |
//!
//! [`Options::cost`] says it in bytes. The chip's cycles for a token are the same in all cases.
//!
//! # Invariants
//! 1. Equal image, prompt and options give equal tokens and equal text on every device: logits are equal integers, and random
//!    numbers come from the seed alone. What an [`Engine`] ran before changes nothing.
//! 2. A log-probability is the model's own, before temperature, penalties, biases and filters; asking for it changes no token.
//! 3. Text is cut only between whole characters, and no event holds a part of a stop string.
//!
//! ```
//! use lpu_compiler::compile;
//! use lpu_model::{synthetic, synthetic::tiny_llama};
//! use lpu_runtime::sampling::{Engine, Event, Options};
//! use lpu_isa::Geometry;
//! use lpu_sim::{Emulator, PortDevice};
//!
//! let model = synthetic(&tiny_llama(), 1)?;
//! let image = compile(&model, None, &Geometry::NANO, &lpu_compiler::Options::default())?.image;
//! let device = Box::new(PortDevice::new(Emulator::new(image.geometry)));
//! let mut engine = Engine::new(device, &image, None)?;
//!
//! let options = Options { tokens_max: 5, top_k: Some(3), temperature: 0.8, seed: 7, ..Options::default() };
//! let mut generation = engine.generate(&[1, 2, 3], &options)?;
//! let mut tokens = Vec::new();
//! while let Some(event) = generation.next_event()? {
//!     if let Event::Token(token) = event {
//!         assert_eq!(token.executed.cycles_predicted, token.executed.cycles_measured);
//!         tokens.push(token.id);
//!     }
//! }
//! assert_eq!(tokens.len(), 5);
//! assert_eq!(generation.finish()?.prompt_tokens, 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod choose;
mod engine;
mod generation;
mod options;
mod stop;

pub use choose::LogProb;
pub use engine::{Cancel, Engine, GenerateError};
pub use generation::{Event, Executed, Finish, Generation, Reason, Token};
pub use options::{Chooser, Cost, Options, OptionsError};
