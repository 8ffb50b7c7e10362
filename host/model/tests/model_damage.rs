//! Damaged, truncated and foreign files: a clear error or a valid model, never a panic or a huge allocation.

use lpu_model::llama2c::{self, Header, Llama2cError};
use lpu_model::synthetic::{Extras, synthetic, synthetic_with, tiny_gpt2, tiny_llama};
use lpu_model::tokenizer::{TokenizerBuilder, TokenizerError};
use lpu_model::{Model, Reference, Tokenizer};
use proptest::prelude::*;

fn checkpoint() -> Vec<u8> {
    llama2c::to_bytes(&synthetic(&tiny_llama(), 7).unwrap()).unwrap()
}

fn tokenizer() -> Tokenizer {
    let pieces = [(" ", -1.0), ("a", -2.0), ("b", -3.0), ("ab", -4.0), (" ab", -5.0), ("é", -6.0)];
    let start = TokenizerBuilder::with_bytes();
    pieces.iter().fold(start, |builder, (text, score)| builder.piece(text, *score)).build().unwrap()
}

/// A model that was let through must be usable: it obeys its rules and runs.
fn usable(model: &Model) {
    model.check().unwrap();
    let mut reference = Reference::new(model);
    let last = model.config.vocab as u32 - 1;
    assert_eq!(reference.step(last, 0).unwrap().len(), model.config.vocab);
}

fn with_header_field(index: usize, value: i32) -> Vec<u8> {
    let mut file = checkpoint();
    file[4 * index..4 * index + 4].copy_from_slice(&value.to_le_bytes());
    file
}

fn error_of(file: &[u8]) -> String {
    llama2c::parse(file).unwrap_err().to_string()
}

#[test]
fn a_checkpoint_survives_writing_and_reading() {
    for tied in [true, false] {
        let extras = Extras { tied, ..Extras::usual(&tiny_llama()) };
        let model = synthetic_with(&tiny_llama(), extras, 3).unwrap();
        assert_eq!(llama2c::parse(&llama2c::to_bytes(&model).unwrap()).unwrap(), model);
    }
}

#[test]
fn what_the_format_cannot_say_is_refused() {
    let error = llama2c::to_bytes(&synthetic(&tiny_gpt2(), 1).unwrap()).unwrap_err();
    assert!(matches!(error, Llama2cError::NotRepresentable { .. }), "{error}");
    let extras = Extras { qkv_bias: true, ..Extras::usual(&tiny_llama()) };
    let error = llama2c::to_bytes(&synthetic_with(&tiny_llama(), extras, 1).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "a llama2.c version 0 checkpoint cannot hold this model: it has biases");
}

#[test]
fn every_truncation_is_told() {
    let file = checkpoint();
    for length in 0..28 {
        assert_eq!(llama2c::parse(&file[..length]), Err(Llama2cError::NoHeader { found: length as u64 }));
    }
    for length in (28..file.len()).step_by(97).chain([file.len() - 1]) {
        let (expected, found) = (file.len() as u128, length as u64);
        assert_eq!(llama2c::parse(&file[..length]), Err(Llama2cError::Truncated { expected, found }));
    }
}

#[test]
fn bytes_after_the_end_are_told() {
    let mut file = checkpoint();
    let expected = file.len();
    file.push(0);
    assert_eq!(
        error_of(&file),
        format!(
            "the header describes a checkpoint of {expected} bytes, the file has {}. It is damaged, \
             or is not a llama2.c checkpoint",
            expected + 1
        )
    );
}

#[test]
fn every_flipped_header_bit_is_refused_or_harmless() {
    let file = checkpoint();
    let mut refused = 0;
    for bit in 0..8 * llama2c::HEADER_BYTES {
        let mut damaged = file.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        match llama2c::parse(&damaged) {
            Ok(model) => usable(&model),
            Err(_) => refused += 1,
        }
    }
    assert_eq!(refused, 8 * llama2c::HEADER_BYTES);
}

#[test]
fn impossible_header_fields_are_named() {
    assert_eq!(
        error_of(&with_header_field(2, -5)),
        "the header says n_layers = -5; expected at least 1. \
         The file is damaged or is not a llama2.c checkpoint"
    );
    assert!(error_of(&with_header_field(5, 0)).starts_with("the header says vocab_size = 0"));
    assert!(error_of(&with_header_field(6, -1)).starts_with("the header says seq_len = -1"));
    assert!(error_of(&with_header_field(3, 3)).starts_with("the header says dim = 16 and 3 heads"));
    assert!(error_of(&with_header_field(3, 16)).starts_with("the header says dim = 16 and 16 heads"));
    assert_eq!(
        error_of(&with_header_field(4, 3)),
        "4 query heads cannot be shared evenly by 3 key/value heads; expected heads to be a multiple of kv_heads"
    );
    for field in [0, 1, 2, 5, 6] {
        assert!(llama2c::parse(&with_header_field(field, i32::MAX - 1)).is_err());
        assert!(llama2c::parse(&with_header_field(field, i32::MIN)).is_err());
    }
}

/// The largest sizes that a header can say must neither overflow nor be allocated.
#[test]
fn absurd_sizes_are_compared_with_the_file_first() {
    let header: Vec<u8> = [i32::MAX - 1, i32::MAX, i32::MAX, 1, 1, i32::MIN, i32::MAX]
        .iter()
        .flat_map(|field| field.to_le_bytes())
        .collect();
    assert!(matches!(Header::parse(&header, u64::MAX), Err(Llama2cError::Truncated { .. })));
}

#[test]
fn other_formats_are_recognised() {
    let mut file = checkpoint();
    file[..8].copy_from_slice(b"24ka\x03\0\0\0");
    file.resize(file.len().max(256), 0);
    assert_eq!(
        error_of(&file),
        "this is a llama2.c checkpoint of version 3; expected version 0, 1 or 2. \
         Export it again with llama2.c's `export.py --version 1`"
    );
    file[..4].copy_from_slice(b"GGUF");
    assert_eq!(
        error_of(&file),
        "this is a GGUF file; expected a llama2.c checkpoint. Convert it with llama2.c's export.py"
    );
    file[..9].copy_from_slice(b"\x80\x10\0\0\0\0\0\0{");
    assert!(error_of(&file).starts_with("this is a safetensors file"));
    file[..4].copy_from_slice(b"PK\x03\x04");
    assert!(error_of(&file).starts_with("this is a PyTorch or zip file"));
}

#[test]
fn a_weight_that_is_no_number_is_named() {
    for (value, text) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
        let mut file = checkpoint();
        let index = 28 + 4 * (300 * 16 + 2 * 16 + 16 * 16 + 5); // layer 1 of wq, weight 5
        file[index..index + 4].copy_from_slice(&value.to_le_bytes());
        assert!(
            error_of(&file).starts_with(&format!("layers[1].q[5] is {text}; expected a finite weight.")),
            "{}",
            error_of(&file)
        );
    }
}

#[test]
fn damaged_tokenizers_are_told() {
    let file = tokenizer().to_bytes();
    let error = |file: &[u8]| Tokenizer::parse(file).unwrap_err().to_string();
    assert!(error(&[]).starts_with("the tokenizer ends inside its header after 0 bytes"));
    assert!(error(&file[..9]).starts_with("the tokenizer ends inside the length of piece 0"));
    assert!(error(&file[..14]).starts_with("the tokenizer ends inside the text of piece 0"));
    assert_eq!(
        Tokenizer::parse_for(&file, 512),
        Err(TokenizerError::Vocabulary { expected: 512, found: 265 })
    );
    let with = |offset: usize, word: [u8; 4]| {
        let mut damaged = file.clone();
        damaged[offset..offset + 4].copy_from_slice(&word);
        Tokenizer::parse(&damaged).unwrap_err()
    };
    assert_eq!(with(0, (-7i32).to_le_bytes()), TokenizerError::LongestPiece { found: -7 });
    assert_eq!(with(0, i32::MAX.to_le_bytes()), TokenizerError::LongestPiece { found: i32::MAX });
    assert!(matches!(with(4, f32::NAN.to_le_bytes()), TokenizerError::Score { id: 0, .. }));
    let length = TokenizerError::PieceLength { id: 0, found: 2_000_000_000, max: 6 };
    assert_eq!(with(8, 2_000_000_000i32.to_le_bytes()), length);
    assert!(matches!(with(8, (-1i32).to_le_bytes()), TokenizerError::PieceLength { found: -1, .. }));
    let nameless = TokenizerBuilder::empty().piece("a", 0.0).build();
    assert_eq!(nameless, Err(TokenizerError::NoBos));
}

#[test]
fn the_tokenizer_beside_the_model_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bin");
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let config = lpu_model::Config { vocab: tokenizer().vocab(), ..tiny_llama() };
    let expected = synthetic(&config, 9).unwrap();
    write("model.bin", &llama2c::to_bytes(&expected).unwrap());
    let (loaded, none) = lpu_model::load(&path).unwrap();
    assert_eq!((&loaded, none), (&expected, None));

    let small = TokenizerBuilder::with_bytes().build().unwrap();
    write("tok259.bin", &small.to_bytes());
    assert_eq!(lpu_model::load(&path).unwrap().1, None, "another vocabulary is passed over");
    write("tokenizer.bin", &tokenizer().to_bytes()[..50]);
    let damaged = lpu_model::load(&path).unwrap_err().to_string();
    assert!(damaged.contains("tokenizer.bin: the tokenizer ends inside"), "{damaged}");
    write("tokenizer.bin", &tokenizer().to_bytes());
    assert_eq!(lpu_model::load(&path).unwrap().1, Some(tokenizer()));

    let mut other = tokenizer().to_bytes();
    *other.last_mut().unwrap() ^= 1;
    write("tok265.bin", &other);
    let ambiguous = lpu_model::load(&path).unwrap_err().to_string();
    assert!(ambiguous.ends_with("expected one tokenizer: name the right one"), "{ambiguous}");
    let named = lpu_model::load_with_tokenizer(&path, folder.path().join("tokenizer.bin")).unwrap();
    assert_eq!(named, (expected.clone(), tokenizer()));
    assert!(lpu_model::load_with_tokenizer(&path, folder.path().join("tok259.bin")).is_err());
    assert_eq!(lpu_model::load_model(&path).unwrap(), expected);
}

#[test]
fn paths_that_are_no_file_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let error = |path: &std::path::Path| lpu_model::load(path).unwrap_err().to_string();
    assert!(error(&folder.path().join("absent.bin")).starts_with("cannot read "));
    assert!(error(folder.path()).contains(" holds nothing; expected a folder with config.json"));
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_no_checkpoint(file in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(model) = llama2c::parse(&file) {
            usable(&model);
        }
    }

    /// Small fields make headers whose file can exist.
    #[test]
    fn a_plausible_header_never_panics(
        fields in proptest::array::uniform7(-2i32..9),
        extra in -8i64..8,
    ) {
        let header: Vec<u8> = fields.iter().flat_map(|field| field.to_le_bytes()).collect();
        let described = match Header::parse(&header, 0) {
            Err(Llama2cError::Truncated { expected, .. }) => expected as i64,
            Ok(_) => return Err(TestCaseError::fail("no file is empty")),
            Err(_) => 28,
        };
        let mut file = header;
        file.resize((described + extra).max(0) as usize, 0);
        if let Ok(model) = llama2c::parse(&file) {
            prop_assert_eq!(extra, 0);
            usable(&model);
        }
    }

    #[test]
    fn flipped_bits_are_refused_or_harmless(bits in proptest::collection::vec(any::<u32>(), 1..6)) {
        let mut file = checkpoint();
        for bit in bits {
            let bit = bit as usize % (8 * file.len());
            file[bit / 8] ^= 1 << (bit % 8);
        }
        if let Ok(model) = llama2c::parse(&file) {
            usable(&model);
        }
    }

    #[test]
    fn arbitrary_bytes_are_no_tokenizer(file in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(tokenizer) = Tokenizer::parse(&file) {
            prop_assert_eq!(Tokenizer::parse(&tokenizer.to_bytes()).unwrap(), tokenizer);
        }
    }

    #[test]
    fn a_damaged_tokenizer_is_refused_or_usable(
        flips in proptest::collection::vec(any::<u32>(), 1..4),
        keep in 0.0f64..1.3,
    ) {
        let mut file = tokenizer().to_bytes();
        for bit in flips {
            let bit = bit as usize % (8 * file.len());
            file[bit / 8] ^= 1 << (bit % 8);
        }
        file.truncate((keep * file.len() as f64) as usize);
        if let Ok(tokenizer) = Tokenizer::parse(&file)
            && let Ok(ids) = tokenizer.encode("abab é zz")
        {
            prop_assert!(ids.iter().all(|id| (*id as usize) < tokenizer.vocab()));
            tokenizer.decode(&ids);
        }
    }
}
