//! The chat template that a user names.

use super::Failure;
use lpu_model::Tokenizer;
use lpu_runtime::chat::Template;
use std::path::PathBuf;

#[derive(Clone, Debug, Default, clap::Args)]
pub struct TemplateArguments {
    /// Chat template in Jinja, or the name of one of the model's own [default: the model's].
    #[arg(long, value_name = "FILE")]
    pub chat_template: Option<PathBuf>,
}

impl TemplateArguments {
    /// The named template, or the tokenizer's own.
    pub fn choose(&self, tokenizer: &Tokenizer) -> Result<Template, Failure> {
        let own = Template::for_tokenizer(tokenizer);
        let Some(path) = &self.chat_template else { return Ok(own) };
        if let Some(named) = path.to_str().and_then(|name| Template::named(tokenizer, name)) {
            return Ok(named);
        }
        let source = std::fs::read_to_string(path).map_err(|error| Failure::unreadable(path, &error))?;
        Ok(own.with_source(source.strip_prefix('\u{feff}').unwrap_or(&source)))
    }
}
