//! The promises of `lpu_runtime::sampling` on the emulator.

use lpu_compiler::compile;
use lpu_isa::Geometry;
use lpu_model::tokenizer::TokenizerBuilder;
use lpu_model::{Tokenizer, synthetic, synthetic::tiny_llama};
use lpu_runtime::sampling::{Chooser, Engine, Event, Finish, GenerateError, Options, Reason, Token};
use lpu_sim::{Emulator, PortDevice};
use lpu_verifier::VerifiedProgram;
use std::sync::LazyLock;

/// Pieces are letters and pairs of them, so that every id has a text.
fn words() -> Tokenizer {
    let letter = |index: usize| char::from(b'a' + (index % 26) as u8);
    (TokenizerBuilder::with_bytes().build().unwrap().vocab()..tiny_llama().vocab)
        .fold(TokenizerBuilder::with_bytes(), |builder, id| {
            builder.piece(format!("{}{}", letter(id / 26), letter(id)), id as f32)
        })
        .build()
        .unwrap()
}

static IMAGE: LazyLock<VerifiedProgram> = LazyLock::new(|| {
    let model = synthetic(&tiny_llama(), 3).unwrap();
    compile(&model, Some(&words()), &Geometry::NANO, &lpu_compiler::Options::default()).unwrap().image
});

fn engine() -> Engine {
    let device = Box::new(PortDevice::new(Emulator::new(IMAGE.geometry)));
    Engine::new(device, &IMAGE, Some(words())).unwrap()
}

fn run(engine: &mut Engine, prompt: &[u32], options: &Options) -> (Vec<Token>, Finish) {
    let mut generation = engine.generate(prompt, options).unwrap();
    let mut tokens = Vec::new();
    while let Some(event) = generation.next_event().unwrap() {
        if let Event::Token(token) = event {
            tokens.push(token);
        }
    }
    (tokens, generation.finish().unwrap())
}

fn ids(tokens: &[Token]) -> Vec<u32> {
    tokens.iter().map(|token| token.id).collect()
}

fn text(tokens: &[Token]) -> String {
    tokens.iter().map(|token| token.text.as_str()).collect()
}

const PROMPT: [u32; 5] = [1, 270, 40, 281, 99];

fn greedy() -> Options {
    Options { tokens_max: 12, ignore_ends: true, ..Options::default() }
}

#[test]
fn chip_and_host_take_the_same_likeliest_tokens() {
    let by_chip = run(&mut engine(), &PROMPT, &greedy());
    // A bias of nothing makes the host choose.
    let host = Options { logit_bias: [(0, 0.0)].into(), ..greedy() };
    assert_eq!((greedy().chooser(), host.chooser()), (Chooser::Chip, Chooser::Host));
    let by_host = run(&mut engine(), &PROMPT, &host);
    assert_eq!(ids(&by_chip.0), ids(&by_host.0));
    assert_eq!(text(&by_chip.0), text(&by_host.0));
    assert_eq!(by_chip.1.cycles_measured, by_host.1.cycles_measured);
    assert_eq!((by_chip.1.differing, by_chip.1.reason), (0, Reason::Length));
}

#[test]
fn equal_seeds_give_equal_texts_whatever_ran_before() {
    let chip = Options { temperature: 1.0, seed: 7, ..greedy() };
    let host = Options { top_p: 0.95, ..chip.clone() };
    for options in [chip, host] {
        let fresh = run(&mut engine(), &PROMPT, &options).0;
        let mut used = engine();
        run(&mut used, &PROMPT[..3], &Options { tokens_max: 4, ..greedy() });
        let (again, finish) = run(&mut used, &PROMPT, &options);
        assert_eq!(finish.reused_tokens, 3);
        assert_eq!(ids(&again), ids(&fresh));
        let other = run(&mut used, &PROMPT, &Options { seed: 8, ..options.clone() }).0;
        assert_ne!(ids(&other), ids(&fresh));
    }
}

#[test]
fn log_probabilities_change_no_token() {
    let warm = Options { temperature: 0.9, ..greedy() };
    let plain = run(&mut engine(), &PROMPT, &warm).0;
    let told = run(&mut engine(), &PROMPT, &Options { logprobs: Some(3), keep_logits: true, ..warm }).0;
    assert_eq!(ids(&plain), ids(&told));
    for token in &told {
        let found = token.logprob.as_ref().unwrap();
        assert!(found.chosen <= 0.0 && found.top.len() == 3);
        assert!(found.top.windows(2).all(|pair| pair[0].1 >= pair[1].1));
        let best = token.executed.logits.iter().max().unwrap();
        assert_eq!(token.executed.logits[found.top[0].0 as usize], *best);
    }
    assert!(plain.iter().all(|token| token.logprob.is_none() && token.executed.logits.is_empty()));
}

#[test]
fn a_stop_string_ends_the_text_before_it_and_the_device_goes_on() {
    let mut engine = engine();
    let whole = run(&mut engine, &PROMPT, &greedy()).0;
    let all = text(&whole);
    // Characters from the middle of the text, which pieces do not respect.
    let stop: String = all.chars().skip(all.chars().count() / 2).take(3).collect();
    let stop = stop.as_str();
    let (tokens, finish) = run(&mut engine, &PROMPT, &Options { stop: vec![stop.into()], ..greedy() });
    assert_eq!(finish.reason, Reason::Stop(stop.into()));
    assert_eq!(text(&tokens), all[..all.find(stop).unwrap()]);
    assert_eq!(ids(&run(&mut engine, &PROMPT, &greedy()).0), ids(&whole));
}

#[test]
fn a_generation_may_be_dropped_or_cancelled() {
    let mut engine = engine();
    let whole = ids(&run(&mut engine, &PROMPT, &greedy()).0);
    let mut dropped = engine.generate(&PROMPT, &greedy()).unwrap();
    dropped.next_event().unwrap();
    drop(dropped);
    let mut generation = engine.generate(&PROMPT, &greedy()).unwrap();
    generation.next_event().unwrap();
    generation.canceller().cancel();
    assert_eq!(generation.next_event().unwrap(), None);
    assert_eq!(generation.finish().unwrap().reason, Reason::Cancelled);
    assert_eq!(ids(&run(&mut engine, &PROMPT, &greedy()).0), whole);
}

#[test]
fn the_context_ends_a_text() {
    let context = IMAGE.model.context as usize;
    for logit_bias in [Default::default(), [(0, 0.0)].into()] {
        let options = Options { tokens_max: 1000, logit_bias, ..greedy() };
        let (tokens, finish) = run(&mut engine(), &PROMPT, &options);
        assert_eq!(finish.reason, Reason::Context);
        assert_eq!(tokens.len(), context + 1 - PROMPT.len());
    }
    let long = vec![5; context + 1];
    let refused = engine().generate(&long, &greedy()).map(|_| ()).unwrap_err();
    assert!(matches!(refused, GenerateError::PromptTooLong { .. }), "{refused}");
}

#[test]
fn impossible_options_are_named() {
    let cases = [
        (Options { top_p: 0.0, ..greedy() }, "top_p is 0.0; expected more than 0 and at most 1"),
        (Options { top_k: Some(0), ..greedy() }, "top_k is 0; expected at least 1"),
        (
            Options { temperature: f64::NAN, ..greedy() },
            "temperature is NaN; expected a number from 0 upward",
        ),
        (
            Options { logit_bias: [(300, 1.0)].into(), ..greedy() },
            "logit_bias is 300; expected token ids below 300",
        ),
        (
            Options { stop: vec![String::new()], ..greedy() },
            "stop is \"\"; expected texts of at least one character",
        ),
        (
            Options { repetition_penalty: 0.0, ..greedy() },
            "repetition_penalty is 0.0; expected a number above 0",
        ),
    ];
    for (options, expected) in cases {
        let refused = engine().generate(&PROMPT, &options).map(|_| ()).unwrap_err();
        assert_eq!(refused.to_string(), expected);
    }
}

#[test]
fn what_needs_logits_says_what_it_costs() {
    let bytes = |options: Options| options.cost(&IMAGE.model).port_bytes_per_token;
    // A record: 7 bytes ask for it, 9 bring it. 300 logits: 7 bytes ask for 75 words of 9.
    assert_eq!(bytes(greedy()), 16);
    assert_eq!(bytes(Options { logprobs: Some(1), ..greedy() }), 16 + 7 + 75 * 9);
    assert!(bytes(Options { presence_penalty: 0.5, ..greedy() }) > 16 + 7 + 75 * 9);
}
