//! How byte-level vocabularies cut a text before pairs are merged, by the names that GGUF files give (`tokenizer.ggml.pre`). The
//! expressions are those of the models' own `tokenizer.json`; each cuts what the one before it left.

/// A rule for cutting text.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    pub cuts: &'static [&'static str],
    /// Whether a text that is a piece as a whole is not merged.
    pub ignores_merges: bool,
    /// Whether texts begin with the start.
    pub adds_start: bool,
    /// Whether the text is composed (NFC) first.
    pub composes: bool,
}

const fn plain(cuts: &'static [&'static str]) -> Rule {
    Rule { cuts, ignores_merges: false, adds_start: false, composes: false }
}

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const PUNCTUATION: &str = r"[\p{P}\$\+<=>\^~\|`]+";
const DIGIT: &str = r"\p{N}";
const THREE_DIGITS: &str = r"[0-9][0-9][0-9]";
/// Words, with digits one by one or by three, then marks with the ends of their lines.
const WORDS_1: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const WORDS_3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const WORDS_WITHOUT_CONTRACTIONS: &str =
    r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const WORDS_WITH_MARKS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Words that begin anew where a capital follows a small letter.
const CASED_1: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const CASED_3: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const DEEPSEEK: &str = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##;
const CHINESE: &str = r"[\x{4e00}-\x{9fa5}\x{3040}-\x{309f}\x{30a0}-\x{30ff}]+";
const EAST_ASIAN: &str = r"[\x{4e00}-\x{9fa5}\x{0800}-\x{4e00}\x{ac00}-\x{d7ff}]+";
/// Letters of scripts with capitals, as the first DeepSeek lists them.
const DEEPSEEK_LETTERS: &str = r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\x{1f7d}ᾀ-ᾴᾶ-ᾼ\x{1fbe}ῂ-ῄῆ-ῌῐ-\x{1fd3}ῖ-\x{1fdb}ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\x{2126}ℨ\x{212a}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+";
const DEEPSEEK_MARKS: &str = r"\s?[!-/:-~！-／：-～‘-‟　-。]+";
const BLOOM: &str = r" ?[^(\s|.,!?…。，、।۔،)]+";
const BAILING: &str = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+";
const SEED: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Names of rules, each with all its aliases.
const RULES: &[(&[&str], Rule)] = &[
    (&["default"], plain(&[r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", THREE_DIGITS])),
    (
        &[
            "gpt-2",
            "phi-2",
            "mpt",
            "olmo",
            "jais",
            "trillion",
            "granite-docling",
            "gigachat",
            "a.x-4.0",
            "mellum",
            "exaone4",
            "modern-bert",
            "jina-es",
            "jina-de",
            "jina-v2-es",
            "jina-v2-de",
            "jina-v1-en",
            "jina-v2-code",
            "roberta-bpe",
        ],
        plain(&[GPT2]),
    ),
    (
        &["starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b", "mellum2"],
        plain(&[DIGIT, GPT2]),
    ),
    (
        &[
            "llama-bpe",
            "llama3",
            "llama-v3",
            "falcon3",
            "falcon-h1",
            "pixtral",
            "midm-2.0",
            "lfm2",
            "jina-v5-nano",
        ],
        Rule { ignores_merges: true, adds_start: true, ..plain(&[WORDS_3]) },
    ),
    (&["dbrx", "smaug-bpe", "chatglm-bpe", "glm4"], plain(&[WORDS_3])),
    (
        &["qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez"],
        Rule { composes: true, ..plain(&[WORDS_1]) },
    ),
    (&["stablelm2", "hunyuan", "solar-open", "grok-2"], plain(&[WORDS_1])),
    (&["qwen35"], Rule { composes: true, ..plain(&[WORDS_WITH_MARKS]) }),
    (&["ufakzeka"], plain(&[WORDS_WITHOUT_CONTRACTIONS])),
    (&["laguna"], plain(&[r"[^\n]+|[\n]+", WORDS_1])),
    (
        &["deepseek-llm"],
        plain(&[r"[\r\n]", DEEPSEEK_LETTERS, DEEPSEEK_MARKS, r"\s+$", EAST_ASIAN, r"\p{N}+"]),
    ),
    (&["deepseek-coder"], plain(&[r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", EAST_ASIAN, DIGIT])),
    (&["deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"], plain(&[r"\p{N}{1,3}", CHINESE, DEEPSEEK])),
    (&["falcon"], plain(&[PUNCTUATION, GPT2, THREE_DIGITS])),
    (&["bloom", "poro-chat", "gpt3-finnish"], plain(&[BLOOM])),
    (&["viking"], plain(&[BLOOM, DIGIT])),
    (&["tekken"], Rule { ignores_merges: true, adds_start: true, ..plain(&[CASED_1]) }),
    (&["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"], plain(&[CASED_3])),
    (&["tiny_aya", "cohere2moe"], plain(&[r"\d{1,3}(?=(?:\d{3})*\b)", CASED_3])),
    (&["superbpe"], plain(&[r"\p{N}+", r"(?=(\d{3})+(?!\d))"])),
    (&["bailingmoe", "bailingmoe2", "llada-moe"], plain(&[BAILING])),
    (&["seed-coder"], plain(&[SEED])),
];

/// The rule of a name.
pub fn rule(name: &str) -> Option<Rule> {
    RULES.iter().find(|(names, _)| names.contains(&name)).map(|(_, rule)| *rule)
}

/// The names of all rules, for messages.
pub fn names() -> String {
    RULES.iter().flat_map(|(names, _)| names.iter().copied()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
    use tokenizers::{PreTokenizedString, PreTokenizer, SplitDelimiterBehavior};

    fn pieces(name: &str, text: &str) -> Vec<String> {
        let mut parts = PreTokenizedString::from(text);
        for cut in rule(name).unwrap().cuts {
            let pattern = SplitPattern::Regex((*cut).into());
            let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false).unwrap();
            split.pre_tokenize(&mut parts).unwrap();
        }
        let splits = parts.get_splits(tokenizers::OffsetReferential::Original, tokenizers::OffsetType::None);
        splits.into_iter().map(|(part, ..)| part.to_owned()).collect()
    }

    #[test]
    fn every_rule_has_expressions_that_compile_and_lose_nothing() {
        let text = "Hello, world's 12345 CamelCase x=y;\r\n\n  日本語 ქართული ½ don't\t";
        for name in RULES.iter().flat_map(|(names, _)| names.iter()) {
            assert_eq!(pieces(name, text).concat(), text, "{name}");
        }
    }

    #[test]
    fn rules_cut_digits_and_capitals_as_their_models_do() {
        let cut = |name: &str, text: &str| pieces(name, text).join("|");
        assert_eq!(cut("gpt-2", "a 12345"), "a| 12345");
        assert_eq!(cut("smollm", "a 123"), "a| |1|2|3");
        assert_eq!(cut("llama-bpe", "a 12345"), "a| |123|45");
        assert_eq!(cut("qwen2", "a 123"), "a| |1|2|3");
        assert_eq!(cut("falcon", "a 12345"), "a| |123|45");
        assert_eq!(cut("superbpe", "x 12345"), "x |12|345");
        assert_eq!(cut("tekken", "fooBar"), "foo|Bar");
        assert_eq!(cut("gpt-4o", "fooBar's"), "foo|Bar's");
        assert_eq!(cut("deepseek-v3", "日本x 1234"), "日本|x| |123|4");
        assert_eq!(cut("deepseek-coder", "a\nb"), "a|\n|b");
    }
}
