//! How far one machine's predictions are from another's: perplexity, top-1 agreement, KL divergence.
//!
//! The protocol: a text of stories, one `<|story|>` line between two. Each story is encoded on its own with
//! BOS, cut to one id more than the context, and run from an empty cache; every id after the first is
//! a prediction. A text without such a line is cut into as many contexts as it takes, each with BOS, and nothing is left
//! out. A program that holds position 0 has BOS there, and so have its texts. All sums are in f64, whatever number format made the logits.

use super::reference::{Reference, argmax};
use super::tokenizer::{EncodeError, Tokenizer};

const STORY_SEPARATOR: &str = "\n<|story|>\n";

pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Anything that predicts the next token: the fp32 reference, an emulator, a chip.
pub trait LogitSource {
    /// Forgets all tokens.
    ///
    /// # Errors
    /// When the machine behind it fails.
    fn reset(&mut self) -> Result<(), BoxError>;

    /// Forgets all tokens, and is told those that will be read, so that many of them can be computed at a time.
    ///
    /// # Errors
    /// When the machine behind it fails.
    fn begin(&mut self, _tokens: &[u32]) -> Result<(), BoxError> {
        self.reset()
    }

    /// Reads the next token and replaces `logits` by those that follow it.
    ///
    /// # Errors
    /// When the token does not exist, the context is full or the machine behind it fails.
    fn step(&mut self, token: u32, logits: &mut Vec<f64>) -> Result<(), BoxError>;
}

impl LogitSource for Reference<'_> {
    fn reset(&mut self) -> Result<(), BoxError> {
        Reference::reset(self);
        Ok(())
    }

    fn step(&mut self, token: u32, logits: &mut Vec<f64>) -> Result<(), BoxError> {
        let position = self.position();
        let found = Reference::step(self, token, position)?;
        logits.clear();
        logits.extend(found.iter().copied().map(f64::from));
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    #[error(
        "the evaluation text has no story with a token to predict; expected stories between <|story|> lines"
    )]
    NothingToPredict,
    #[error("story {story}: {source}")]
    Encode { story: usize, source: EncodeError },
    #[error("story {story}, position {position}: {source}")]
    Source { story: usize, position: usize, source: BoxError },
    #[error(
        "story {story}, position {position}: {found} logits; expected {expected}, \
         as many as the other source gives. Compare machines that run the same model"
    )]
    Vocabulary { story: usize, position: usize, expected: usize, found: usize },
    #[error(
        "story {story}, position {position}: the next id is {next}, but there are only {found} logits; \
         encode the text with the tokenizer of this model"
    )]
    NextId { story: usize, position: usize, next: u32, found: usize },
    #[error(
        "story {story}, position {position}: the logit of id {id} is {logit}; expected a finite number. \
         The model or the machine is at fault"
    )]
    NotFinite { story: usize, position: usize, id: usize, logit: f64 },
}

/// How well one source predicted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    pub predictions: usize,
    /// Mean of `-ln p(next id)`.
    pub nll_nats: f64,
}

impl Score {
    pub fn perplexity(&self) -> f64 {
        self.nll_nats.exp()
    }
}

/// Two sources on the same tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    pub reference: Score,
    pub other: Score,
    /// Share of positions where both find the same id most likely, 0 to 1.
    pub top1_agreement: f64,
    /// Mean of KL(reference || other).
    pub kl_nats: f64,
}

/// The stories of an evaluation text. The line feed before a separator belongs to no story, nor does the
/// one at the end of the text.
pub fn stories(text: &str) -> impl Iterator<Item = &str> {
    text.strip_suffix('\n').unwrap_or(text).split(STORY_SEPARATOR)
}

/// A text as ids, each context to be run from an empty cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    pub contexts: Vec<Vec<u32>>,
    /// Ids of each of the contexts' stories that lie beyond the context and are not predicted.
    pub dropped: Vec<usize>,
    /// The text is one that was cut, and not several stories.
    pub is_plain: bool,
}

impl Encoded {
    /// Keeps the first contexts.
    pub fn truncate(&mut self, count: usize) {
        self.contexts.truncate(count);
        self.dropped.truncate(count);
    }

    /// Ids to predict.
    pub fn predictions(&self) -> usize {
        self.contexts.iter().map(|ids| ids.len().saturating_sub(1)).sum()
    }

    /// Ids that are not predicted because their story is longer than the context.
    pub fn predictions_dropped(&self) -> usize {
        self.dropped.iter().sum()
    }

    /// Positions of the longest context.
    pub fn positions(&self) -> usize {
        self.contexts.iter().map(|ids| ids.len().saturating_sub(1)).max().unwrap_or(0)
    }
}

/// The ids of a text, cut so that the last prediction of each story, or of each part of a plain text, is made at the last position of
/// `context`. `first` is the token that stands before each context whatever the tokenizer does, where a program holds position 0.
///
/// # Errors
/// When a story holds a character that the tokenizer cannot say.
pub fn encode(
    tokenizer: &Tokenizer,
    text: &str,
    context: usize,
    first: Option<u32>,
) -> Result<Encoded, EvalError> {
    let mut encoded = Encoded { is_plain: !text.contains(STORY_SEPARATOR), ..Encoded::default() };
    for (story, text) in stories(text).enumerate() {
        let mut ids = tokenizer.encode(text).map_err(|source| EvalError::Encode { story, source })?;
        if let Some(first) = first.filter(|first| ids.first() != Some(first)) {
            ids.insert(0, first);
        }
        if encoded.is_plain {
            let start = ids.first().copied().filter(|id| *id == tokenizer.bos());
            encoded.contexts = contexts(&ids, start, context);
            encoded.dropped = vec![0; encoded.contexts.len()];
        } else {
            encoded.dropped.push(ids.len().saturating_sub(context + 1));
            ids.truncate(context + 1);
            encoded.contexts.push(ids);
        }
    }
    Ok(encoded)
}

/// Ids in contexts that predict each but the first once: with `start` in front of each, or else the last id of the one before.
fn contexts(ids: &[u32], start: Option<u32>, context: usize) -> Vec<Vec<u32>> {
    let Some((first, rest)) = ids.split_first() else { return Vec::new() };
    let parts = rest.chunks(context.max(1)).enumerate();
    let before = |part: usize| match start {
        Some(start) => start,
        None if part == 0 => *first,
        None => rest[part * context.max(1) - 1],
    };
    let whole: Vec<Vec<u32>> =
        parts.map(|(part, ids)| [before(part)].into_iter().chain(ids.iter().copied()).collect()).collect();
    if whole.is_empty() { vec![ids.to_vec()] } else { whole }
}

/// How well `source` predicts the ids of `stories`.
///
/// # Errors
/// When the source fails, or there is nothing to predict.
pub fn score(source: &mut dyn LogitSource, stories: &[Vec<u32>]) -> Result<Score, EvalError> {
    let (mut predictions, mut nll) = (0, 0.0);
    let mut logits = Vec::new();
    for_each_prediction(stories, |place| {
        place.run(source, &mut logits)?;
        place.check(&logits, logits.len())?;
        nll -= log_softmax(&logits)[place.next as usize];
        predictions += 1;
        Ok(())
    })?;
    if predictions == 0 {
        return Err(EvalError::NothingToPredict);
    }
    Ok(Score { predictions, nll_nats: nll / predictions as f64 })
}

/// Runs both sources over the same ids.
///
/// # Errors
/// When a source fails, their vocabularies differ, or there is nothing to predict.
pub fn compare(
    reference: &mut dyn LogitSource,
    other: &mut dyn LogitSource,
    stories: &[Vec<u32>],
) -> Result<Comparison, EvalError> {
    let (mut predictions, mut agreements) = (0usize, 0usize);
    let (mut nll_reference, mut nll_other, mut kl) = (0.0, 0.0, 0.0);
    let (mut logits_reference, mut logits_other) = (Vec::new(), Vec::new());
    for_each_prediction(stories, |place| {
        place.run(reference, &mut logits_reference)?;
        place.run(other, &mut logits_other)?;
        place.check(&logits_reference, logits_reference.len())?;
        place.check(&logits_other, logits_reference.len())?;
        let (p, q) = (log_softmax(&logits_reference), log_softmax(&logits_other));
        predictions += 1;
        agreements += usize::from(argmax(&logits_reference) == argmax(&logits_other));
        nll_reference -= p[place.next as usize];
        nll_other -= q[place.next as usize];
        kl += p.iter().zip(&q).map(|(p, q)| p.exp() * (p - q)).sum::<f64>();
        Ok(())
    })?;
    if predictions == 0 {
        return Err(EvalError::NothingToPredict);
    }
    let mean = |sum: f64| sum / predictions as f64;
    Ok(Comparison {
        reference: Score { predictions, nll_nats: mean(nll_reference) },
        other: Score { predictions, nll_nats: mean(nll_other) },
        top1_agreement: mean(agreements as f64),
        kl_nats: mean(kl),
    })
}

/// One prediction: `token` stands at `position` of `story`, `next` follows it.
#[derive(Clone, Copy)]
struct Place<'s> {
    /// The ids of the story that are read.
    ids: &'s [u32],
    story: usize,
    position: usize,
    token: u32,
    next: u32,
}

fn for_each_prediction(
    stories: &[Vec<u32>],
    mut visit: impl FnMut(Place<'_>) -> Result<(), EvalError>,
) -> Result<(), EvalError> {
    for (story, ids) in stories.iter().enumerate() {
        let read = &ids[..ids.len().saturating_sub(1)];
        for (position, pair) in ids.windows(2).enumerate() {
            visit(Place { ids: read, story, position, token: pair[0], next: pair[1] })?;
        }
    }
    Ok(())
}

impl Place<'_> {
    fn run(&self, source: &mut dyn LogitSource, logits: &mut Vec<f64>) -> Result<(), EvalError> {
        let Self { ids, story, position, token, .. } = *self;
        let begun = if position == 0 { source.begin(ids) } else { Ok(()) };
        begun.and_then(|()| source.step(token, logits)).map_err(|source| EvalError::Source {
            story,
            position,
            source,
        })
    }

    fn check(&self, logits: &[f64], expected: usize) -> Result<(), EvalError> {
        let Self { story, position, next, .. } = *self;
        let found = logits.len();
        if found != expected {
            return Err(EvalError::Vocabulary { story, position, expected, found });
        }
        if next as usize >= found {
            return Err(EvalError::NextId { story, position, next, found });
        }
        match logits.iter().position(|logit| !logit.is_finite()) {
            None => Ok(()),
            Some(id) => Err(EvalError::NotFinite { story, position, id, logit: logits[id] }),
        }
    }
}

/// ln of the softmax.
pub fn log_softmax(logits: &[f64]) -> Vec<f64> {
    let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|logit| (logit - max).exp()).sum();
    let ln_total = max + sum.ln();
    logits.iter().map(|logit| logit - ln_total).collect()
}

#[cfg(test)]
mod tests {
    use super::contexts;

    #[test]
    fn a_long_text_is_cut_into_contexts_that_predict_every_id_once() {
        let ids: Vec<u32> = (0..8).collect();
        assert_eq!(
            contexts(&ids, Some(0), 3),
            [vec![0, 1, 2, 3], vec![0, 4, 5, 6], vec![0, 7]],
            "each begins with the start"
        );
        assert_eq!(
            contexts(&ids, None, 3),
            [vec![0, 1, 2, 3], vec![3, 4, 5, 6], vec![6, 7]],
            "without a start, with the id before"
        );
        assert_eq!(contexts(&ids, Some(0), 7), std::slice::from_ref(&ids), "short enough");
        assert_eq!(contexts(&ids[..1], Some(0), 3), [[0]]);
        assert!(contexts(&[], None, 3).is_empty());
    }
}
