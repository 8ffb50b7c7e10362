//! The tokenizer against a literal transcription of llama2.c's algorithm, and its own promises.

mod shared;

use std::time::Instant;

use lpu_model::Tokenizer;
use lpu_model::tokenizer::{EncodeError, StreamDecoder, TokenizerBuilder};
use proptest::prelude::*;

/// Ids 0 to 258 are control and bytes; merges tie in score on purpose.
fn merging_tokenizer() -> Tokenizer {
    let scored = [
        (" ", -9.0),
        ("a", -9.0),
        ("b", -9.0),
        ("c", -9.0),
        ("é", -9.0),
        ("語", -9.0),
        ("aa", -1.0),
        ("ab", -1.0),
        ("ba", -2.0),
        ("aab", -0.5),
        ("bc", -3.0),
        ("abc", -1.0),
        (" a", -2.5),
        ("éé", -1.0),
        (" aab", -4.0),
        ("cc", -2e10),
    ];
    let start = TokenizerBuilder::with_bytes();
    scored.iter().fold(start, |builder, (text, score)| builder.piece(text, *score)).build().unwrap()
}

/// As `encode` in run.c: after every merge all pairs are scanned again.
fn encode_by_scanning(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    let ids = 0..tokenizer.vocab() as u32;
    let bytes_of = |id: u32| tokenizer.piece(id).unwrap().bytes.clone();
    let lookup = |bytes: &[u8]| ids.clone().find(|id| tokenizer.piece(*id).unwrap().bytes == bytes);
    let mut tokens = vec![1];
    if !text.is_empty() {
        tokens.push(lookup(b" ").unwrap());
    }
    for character in text.chars() {
        match lookup(character.to_string().as_bytes()) {
            Some(id) => tokens.push(id),
            None => tokens.extend(character.to_string().bytes().map(|byte| u32::from(byte) + 3)),
        }
    }
    loop {
        let mut best: Option<(usize, u32)> = None;
        let mut best_score = -1e10;
        for place in 0..tokens.len() - 1 {
            let joined = [bytes_of(tokens[place]), bytes_of(tokens[place + 1])].concat();
            if let Some(id) = lookup(&joined)
                && tokenizer.piece(id).unwrap().score > best_score
            {
                best_score = tokenizer.piece(id).unwrap().score;
                best = Some((place, id));
            }
        }
        let Some((place, id)) = best else { return tokens };
        tokens[place] = id;
        tokens.remove(place + 1);
    }
}

#[test]
fn the_empty_text_is_bos_alone() {
    let tokenizer = merging_tokenizer();
    assert_eq!(tokenizer.encode("").unwrap(), [1]);
    assert_eq!(tokenizer.decode(&[1]), "");
}

#[test]
fn one_leading_space_is_dropped_after_bos_only() {
    let tokenizer = merging_tokenizer();
    let space_a = tokenizer.encode("a").unwrap()[1];
    assert_eq!(tokenizer.piece(space_a).unwrap().bytes, b" a");
    assert_eq!(tokenizer.decode(&[1, space_a, space_a]), "a a");
    assert_eq!(tokenizer.decode(&[space_a]), " a");
    assert_eq!(StreamDecoder::after(1).push(&tokenizer, space_a), "a");
    assert_eq!(tokenizer.decode(&[1, 2, 9999]), "\u{FFFD}", "end marks are silent, unknown ids are not");
}

#[test]
fn unfinished_characters_are_held_back() {
    let tokenizer = merging_tokenizer();
    let mut decoder = StreamDecoder::default();
    let texts: Vec<String> = "€x".bytes().map(|byte| decoder.push(&tokenizer, u32::from(byte) + 3)).collect();
    assert_eq!(texts, ["", "", "€", "x"]);
    let mut broken = StreamDecoder::default();
    assert_eq!(broken.push(&tokenizer, 0xE2 + 3), "");
    assert_eq!(broken.push(&tokenizer, u32::from(b'y') + 3), "\u{FFFD}y");
    assert_eq!(broken.push(&tokenizer, 0xE2 + 3), "");
    assert_eq!(broken.finish(), "\u{FFFD}");
}

#[test]
fn a_character_vocabulary_needs_no_bytes_and_no_space() {
    let letters = ('a'..='z').fold(TokenizerBuilder::empty(), |builder, c| builder.piece(c.to_string(), 0.0));
    let tokenizer = letters.piece("<s>", 0.0).build().unwrap();
    assert_eq!(tokenizer.encode("emma").unwrap(), [26, 4, 12, 12, 0]);
    assert_eq!(tokenizer.decode(&[26, 4, 12, 12, 0, 26]), "emma");
    assert_eq!((tokenizer.bos(), tokenizer.eos(), tokenizer.is_end(26)), (26, None, true));
    let refused = tokenizer.encode("aÉ").unwrap_err();
    assert_eq!(refused, EncodeError::Character { character: 'É', offset: 1 });
    assert_eq!(
        refused.to_string(),
        "the tokenizer has no piece for 'É' (at byte 1 of the text) and none for its bytes; \
         use characters of its vocabulary"
    );
}

/// Scanning all pairs after every merge would take minutes.
#[test]
fn twenty_kilobytes_are_encoded_at_once() {
    let tokenizer = merging_tokenizer();
    let text = "aab abc é".repeat(2000);
    let start = Instant::now();
    let ids = tokenizer.encode(&text).unwrap();
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    assert_eq!(tokenizer.decode(&ids), text);
}

#[test]
fn a_real_vocabulary_agrees_with_scanning() {
    let Some(folder) = shared::model_folder("stories260K") else { return };
    let tokenizer = Tokenizer::parse_for(&std::fs::read(folder.join("tok512.bin")).unwrap(), 512).unwrap();
    let text = std::fs::read_to_string(folder.join("eval.txt")).unwrap();
    assert_eq!(tokenizer.decode(&tokenizer.encode(&text).unwrap()), text);
    let start: String = text.chars().take(300).collect();
    assert_eq!(tokenizer.encode(&start).unwrap(), encode_by_scanning(&tokenizer, &start));
}

proptest! {
    #[test]
    fn encoding_equals_scanning(text in "[ abcé語ü€]{0,24}") {
        let tokenizer = merging_tokenizer();
        prop_assert_eq!(tokenizer.encode(&text).unwrap(), encode_by_scanning(&tokenizer, &text));
    }

    #[test]
    fn every_text_survives_the_round_trip(text in any::<String>()) {
        let tokenizer = merging_tokenizer();
        prop_assert_eq!(tokenizer.decode(&tokenizer.encode(&text).unwrap()), text);
    }

    /// However the ids are cut, the stream says what the whole says.
    #[test]
    fn streaming_equals_decoding(ids in proptest::collection::vec(0u32..280, 0..40)) {
        let tokenizer = merging_tokenizer();
        let bytes: Vec<u8> = (0..ids.len())
            .flat_map(|place| {
                let previous = place.checked_sub(1).map(|before| ids[before]);
                tokenizer.decode_piece(previous, ids[place]).to_vec()
            })
            .collect();
        prop_assert_eq!(tokenizer.decode(&ids), String::from_utf8_lossy(&bytes));
    }
}
