//! A model that is served: its image, its words and the cycles that each of its positions will take.

use lpu_model::Tokenizer;
use lpu_runtime::chat::Template;
use lpu_runtime::schedule::Schedule;
use lpu_verifier::VerifiedProgram;
use std::time::{SystemTime, UNIX_EPOCH};

/// A model with all that an answer must say of it.
pub struct ServedModel {
    /// Name in requests.
    pub id: String,
    pub image: VerifiedProgram,
    pub tokenizer: Tokenizer,
    /// How conversations become texts.
    pub template: Template,
    pub schedule: Schedule,
    /// Predicted cycles of each position of the context.
    pub cycles: Vec<u64>,
    /// The image's hash: equal programs and weights have equal ones.
    pub program_hash: String,
    /// Seconds since 1970 when the model was loaded.
    pub created_s: u64,
}

impl ServedModel {
    /// Prepares a model for serving, with its own chat template.
    pub fn new(id: String, image: VerifiedProgram, tokenizer: Tokenizer) -> Self {
        let template = Template::for_tokenizer(&tokenizer);
        Self::with_template(id, image, tokenizer, template)
    }

    /// Prepares a model for serving.
    pub fn with_template(
        id: String,
        image: VerifiedProgram,
        tokenizer: Tokenizer,
        template: Template,
    ) -> Self {
        let schedule = Schedule::new(&image);
        let cycles = (0..image.model.context as usize).map(|position| schedule.cycles(position)).collect();
        let tokenizer = template.with_turn_end(tokenizer);
        let program_hash = format!("{:016x}", image.hash());
        Self { id, image, tokenizer, template, schedule, cycles, program_hash, created_s: now_s() }
    }

    /// Positions of a text, its prompt included.
    pub fn context(&self) -> usize {
        self.image.model.context as usize
    }
}

/// Seconds since 1970.
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}
