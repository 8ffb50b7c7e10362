//! What of a model's layers a program exists for. The rest is computed by the fp32 reference alone.

use super::turns;
use lpu_model::{Config, NormPlace};

/// The first part that no program computes, by name.
pub fn unsupported(config: &Config) -> Option<&'static str> {
    let block = &config.block;
    let parts = [
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
    let part = parts.into_iter().find_map(|(found, part)| found.then_some(part));
    part.or_else(|| turns::unsupported(config))
}
