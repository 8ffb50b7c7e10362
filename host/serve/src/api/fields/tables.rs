//! The tables of documented fields: those of OpenAI, Groq and Text Generation Inference, and the few that are our own.

use super::Rule::{Fixed, Free, Honoured, Required};
use super::{Field, Fields, Rule};

/// Every route that reads a body, with its fields.
pub const ROUTES: &[(&str, Fields)] = &[
    ("/v1/chat/completions", CHAT),
    ("/v1/completions", COMPLETIONS),
    ("/generate", GENERATE),
    ("/tokenize", TOKENIZE),
];

pub const CHAT: Fields = &[SAMPLING, COMMON, CHAT_OWN, CHAT_UNSUPPORTED, CHAT_WITHOUT_EFFECT];
pub const COMPLETIONS: Fields = &[SAMPLING, COMMON, COMPLETIONS_OWN];
pub const GENERATE: Fields = &[
    INPUTS,
    &[
        of("parameters", Honoured, "an object of parameters").neutral(&["{}"]).members(PARAMETERS),
        of("stream", Honoured, "true or false").neutral(&["false"]),
    ],
];
pub const TOKENIZE: Fields = &[
    INPUTS,
    &[
        of("parameters", Free, "an object of parameters").neutral(&["{}"]),
        of("stream", Free, "true or false").neutral(&["true", "false"]),
    ],
];

const fn of(name: &'static str, rule: Rule, expected: &'static str) -> Field {
    Field::new(name, rule, expected)
}

/// How tokens are chosen, for chat and completions.
const SAMPLING: &[Field] = &[
    of("temperature", Honoured, "a number from 0 to 2").neutral(&["1"]),
    of("top_p", Honoured, "a number above 0 and up to 1").neutral(&["1"]),
    of("top_k", Honoured, "a whole number of at least 1"),
    of("min_p", Honoured, "a number from 0 to 1").neutral(&["0"]),
    of("repetition_penalty", Honoured, "a number above 0").neutral(&["1"]),
    of("presence_penalty", Honoured, "a number from -2 to 2").neutral(&["0"]),
    of("frequency_penalty", Honoured, "a number from -2 to 2").neutral(&["0"]),
    of("logit_bias", Honoured, "an object of token numbers to numbers from -100 to 100").neutral(&["{}"]),
];

/// What chat and completions share beyond that.
const COMMON: &[Field] = &[
    of("model", Honoured, "the name of a model").neutral(&["\"default\""]),
    of("n", Honoured, "a whole number from 1 to 32").neutral(&["1"]),
    of("stop", Honoured, "a text or a list of at most 4 texts").neutral(&["[]"]),
    of("seed", Honoured, "a whole number"),
    of("max_tokens", Honoured, "a whole number of at least 1"),
    of("stream", Honoured, "true or false").neutral(&["false"]),
    of("stream_options", Honoured, "an object").neutral(&["{}"]).members(&[&[
        of("include_usage", Honoured, "true or false").neutral(&["false"]),
        of("continuous_usage_stats", Honoured, "true or false").neutral(&["false"]),
        of("include_obfuscation", Free, "true or false").neutral(&["true", "false"]),
    ]]),
    of("ignore_eos", Honoured, "true or false").neutral(&["false"]),
    of("user", Honoured, "a text").neutral(&["\"somebody\""]),
    of("x_lpu", Honoured, "an object").neutral(&["{}"]).members(&[&[
        of("device", Honoured, "the name of a device"),
        of("tokens", Honoured, "true or false").neutral(&["false"]),
        of("ignore_eos", Honoured, "true or false").neutral(&["false"]),
    ]]),
];

const CHAT_OWN: &[Field] = &[
    of("messages", Required, "a list of messages").members(&[MESSAGE]),
    of("max_completion_tokens", Honoured, "a whole number of at least 1"),
    of("logprobs", Honoured, "true or false").neutral(&["false"]),
    of("top_logprobs", Honoured, "a whole number from 0 to 20").neutral(&["0"]),
];

const MESSAGE: &[Field] = &[
    of("role", Required, "\"system\", \"developer\", \"user\" or \"assistant\""),
    of("content", Honoured, "a text or a list of parts of the type \"text\"").members(&[PART]),
    of("name", Free, "a text").neutral(&["\"somebody\""]),
    of("refusal", Fixed, "null"),
    of("tool_calls", Fixed, "an empty list").neutral(&["[]"]),
    of("tool_call_id", Fixed, "null"),
    of("function_call", Fixed, "null"),
    of("audio", Fixed, "null"),
    of("annotations", Fixed, "an empty list").neutral(&["[]"]),
    of("reasoning", Fixed, "an empty text").neutral(&["\"\""]),
];

const PART: &[Field] = &[
    of("type", Required, "\"text\""),
    of("text", Required, "a text"),
    of("image_url", Fixed, "parts of the type \"text\""),
    of("input_audio", Fixed, "parts of the type \"text\""),
    of("file", Fixed, "parts of the type \"text\""),
    of("refusal", Fixed, "parts of the type \"text\""),
    of("document", Fixed, "parts of the type \"text\""),
    of("prompt_cache_breakpoint", Free, "an object").neutral(&["{}"]),
];

/// Fields of chat that only a value without effect may have.
const CHAT_UNSUPPORTED: &[Field] = &[
    of("audio", Fixed, "null"),
    of("compound_custom", Fixed, "null"),
    of("documents", Fixed, "an empty list").neutral(&["[]"]),
    of("exclude_domains", Fixed, "an empty list").neutral(&["[]"]),
    of("function_call", Fixed, "\"none\" or \"auto\"").neutral(&["\"none\"", "\"auto\""]),
    of("functions", Fixed, "an empty list").neutral(&["[]"]),
    of("guideline", Fixed, "null"),
    of("include_domains", Fixed, "an empty list").neutral(&["[]"]),
    of("include_reasoning", Fixed, "true").neutral(&["true"]),
    of("modalities", Fixed, "[\"text\"]").neutral(&["[\"text\"]"]),
    of("moderation", Fixed, "null"),
    of("reasoning_effort", Fixed, "\"none\"").neutral(&["\"none\""]),
    of("reasoning_format", Fixed, "\"raw\"").neutral(&["\"raw\""]),
    of("response_format", Fixed, "{\"type\": \"text\"}").neutral(&["{\"type\": \"text\"}"]),
    of("search_settings", Fixed, "null"),
    of("service_tier", Fixed, "\"auto\", \"default\", \"on_demand\" or \"flex\"").neutral(&[
        "\"auto\"",
        "\"default\"",
        "\"on_demand\"",
        "\"flex\"",
    ]),
    of("store", Fixed, "false").neutral(&["false"]),
    of("tool_choice", Fixed, "\"none\" or \"auto\"").neutral(&["\"none\"", "\"auto\""]),
    of("tools", Fixed, "an empty list").neutral(&["[]"]),
    of("verbosity", Fixed, "\"medium\"").neutral(&["\"medium\""]),
    of("web_search_options", Fixed, "null"),
];

/// Fields of chat that concern tools, storage, billing or speed: without these, no value of theirs changes an answer.
const CHAT_WITHOUT_EFFECT: &[Field] = &[
    of("citation_options", Free, "a text").neutral(&["\"enabled\"", "\"disabled\""]),
    of("disable_tool_validation", Free, "true or false").neutral(&["true", "false"]),
    of("metadata", Free, "an object").neutral(&["{}", "{\"a\": \"b\"}"]),
    of("parallel_tool_calls", Free, "true or false").neutral(&["true", "false"]),
    of("prediction", Free, "an object").neutral(&["{\"type\": \"content\", \"content\": \"a\"}"]),
    of("prompt_cache_key", Free, "a text").neutral(&["\"a\""]),
    of("prompt_cache_options", Free, "an object").neutral(&["{}"]),
    of("prompt_cache_retention", Free, "a text").neutral(&["\"24h\""]),
    of("safety_identifier", Free, "a text").neutral(&["\"a\""]),
    of("tool_prompt", Free, "a text").neutral(&["\"a\""]),
];

const COMPLETIONS_OWN: &[Field] = &[
    of("prompt", Required, "a text, a list of texts, a list of token numbers or a list of such lists"),
    of("best_of", Honoured, "as many as `n`").neutral(&["1"]),
    of("echo", Honoured, "true or false").neutral(&["false"]),
    of("logprobs", Honoured, "a whole number from 0 to 5"),
    of("suffix", Fixed, "null").neutral(&["\"\""]),
];

const INPUTS: &[Field] =
    &[of("inputs", Required, "a text"), of("add_special_tokens", Fixed, "true").neutral(&["true"])];

const PARAMETERS: Fields = &[&[
    of("adapter_id", Fixed, "null"),
    of("best_of", Fixed, "1").neutral(&["1"]),
    of("decoder_input_details", Honoured, "true or false").neutral(&["false"]),
    of("details", Honoured, "true or false").neutral(&["false"]),
    of("do_sample", Honoured, "true or false").neutral(&["false"]),
    of("frequency_penalty", Honoured, "a number from -2 to 2").neutral(&["0"]),
    of("grammar", Fixed, "null"),
    of("max_new_tokens", Honoured, "a whole number of at least 1"),
    of("repetition_penalty", Honoured, "a number above 0").neutral(&["1"]),
    of("return_full_text", Honoured, "true or false").neutral(&["false"]),
    of("seed", Honoured, "a whole number from 0 on"),
    of("stop", Honoured, "a list of at most 4 texts").neutral(&["[]"]),
    of("stop_sequences", Honoured, "a list of at most 4 texts").neutral(&["[]"]),
    of("temperature", Honoured, "a number above 0").neutral(&["1"]),
    of("top_k", Honoured, "a whole number of at least 1"),
    of("top_n_tokens", Honoured, "a whole number from 0 to 20").neutral(&["0"]),
    of("top_p", Honoured, "a number above 0 and up to 1").neutral(&["1"]),
    of("truncate", Honoured, "a whole number of at least 1"),
    of("typical_p", Fixed, "1").neutral(&["1"]),
    of("watermark", Fixed, "false").neutral(&["false"]),
]];
