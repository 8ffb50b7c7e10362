//! The fp32 reference on texts that are known beforehand: it computes many tokens at a time and says their logits one by one.

use crate::eval::{BoxError, LogitSource};
use crate::reference::{Next, StepError, Unobserved};
use crate::{Model, Reference};
use std::collections::VecDeque;

/// Tokens at a time: logits of a large vocabulary take memory.
const TOKENS: usize = 64;

/// A reference that is told what it will read.
pub struct ReadAhead<'m> {
    reference: Reference<'m>,
    /// Tokens that were announced and not yet run.
    coming: VecDeque<Next>,
    /// Tokens that were run and not yet read, with the logits that follow each.
    ready: VecDeque<(Next, Vec<f32>)>,
}

impl<'m> ReadAhead<'m> {
    /// `model` must satisfy [`Model::check`], as every imported model does.
    pub fn new(model: &'m Model) -> Self {
        Self { reference: Reference::new(model), coming: VecDeque::new(), ready: VecDeque::new() }
    }

    /// Runs the next tokens, of which there is one at least.
    fn run(&mut self) -> Result<(), StepError> {
        let next: Vec<Next> = self.coming.iter().copied().take(TOKENS).collect();
        let count = match self.reference.run(&next, &mut Unobserved) {
            Ok(_) => next.len(),
            // One behind the first may be at fault: the error is told when its turn comes.
            Err(_) => self.reference.run(&next[..1], &mut Unobserved).map(|_| 1)?,
        };
        let logits = self.reference.logits().iter().cloned();
        self.ready.extend(self.coming.drain(..count).zip(logits));
        Ok(())
    }
}

impl LogitSource for ReadAhead<'_> {
    fn reset(&mut self) -> Result<(), BoxError> {
        self.begin(&[])
    }

    fn begin(&mut self, tokens: &[u32]) -> Result<(), BoxError> {
        self.reference.reset();
        self.ready.clear();
        self.coming = tokens.iter().map(|&token| Next { text: 0, token }).collect();
        Ok(())
    }

    fn step(&mut self, token: u32, logits: &mut Vec<f64>) -> Result<(), BoxError> {
        if self.ready.is_empty() {
            if self.coming.is_empty() {
                self.coming.push_back(Next { text: 0, token });
            }
            self.run()?;
        }
        let (Next { token: expected, .. }, found) =
            self.ready.pop_front().expect("a token has just been run");
        if token != expected {
            return Err(format!("token {token} is read where {expected} was announced").into());
        }
        logits.clear();
        logits.extend(found.into_iter().map(f64::from));
        Ok(())
    }
}
