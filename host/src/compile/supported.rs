//! What of a model's layers a program exists for. The rest is computed by the fp32 reference alone.

use super::error::CompileError;
use super::turns;
use crate::model::{Config, NormPlace};

/// Refuses, by name, what no program computes.
///
/// # Errors
/// The first part that is unsupported.
pub fn check_layers(config: &Config) -> Result<(), CompileError> {
    let block = &config.block;
    let unsupported = [
        (block.score_cap.is_some(), "soft-capping of attention scores (attn_logit_softcapping)"),
        (block.logit_cap.is_some(), "soft-capping of logits (final_logit_softcapping)"),
        (block.whole_qk_norm, "normalisation of q and k over all heads together (as in OLMo 2)"),
        (
            block.norms == NormPlace::After,
            "layers without a normalisation before attention and MLP (as in OLMo 2)",
        ),
        (
            block.norms == NormPlace::Both,
            "normalisation of what attention and MLP add to the residual (as in Gemma 2 and 3)",
        ),
    ];
    match unsupported.into_iter().find(|(found, _)| *found) {
        Some((_, feature)) => Err(CompileError::Unsupported { feature }),
        None => turns::check(config),
    }
}
