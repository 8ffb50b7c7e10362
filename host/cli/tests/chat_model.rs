//! The model of `make chat` on the emulated chip with DDR3 memory: minutes of work and 98 MB of download, so on demand:
//! `cargo test --release -p lpu-cli --no-default-features --test chat_model -- --ignored --nocapture`.

use lpu_compiler::{Compiled, compile};
use lpu_isa::Geometry;
use lpu_model::{Model, Reference, Tokenizer};
use lpu_runtime::chat::{Message, Template};
use lpu_runtime::sampling::{Engine, Event, Finish, Options};
use lpu_sim::prediction::predict;
use lpu_sim::{Emulator, PortDevice};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// Logits as near as this are a tie: fp32 with another order of sums, or another rounding of weights, may turn it round.
const TIE: f32 = 0.25;

struct Chatting {
    model: Model,
    tokenizer: Tokenizer,
    compiled: Compiled,
}

/// The model that `tools/chat-model` fetches, compiled.
static CHATTING: LazyLock<Chatting> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let fetched = Command::new(root.join("tools/chat-model")).output().expect("the script starts");
    assert!(fetched.status.success(), "{}", String::from_utf8_lossy(&fetched.stderr));
    let path = PathBuf::from(String::from_utf8(fetched.stdout).expect("a path").trim());
    let (model, tokenizer) = lpu_model::load(&path).expect("the model is read");
    let tokenizer = tokenizer.expect("a GGUF file holds its tokenizer");
    let compiled = compiled(&model, &tokenizer);
    Chatting { model, tokenizer, compiled }
});

fn compiled(model: &Model, tokenizer: &Tokenizer) -> Compiled {
    compile(model, Some(tokenizer), &Geometry::ECP5_DDR3, &lpu_compiler::Options::default())
        .expect("the model fits")
}

fn engine() -> Engine {
    let device = Box::new(PortDevice::new(Emulator::new(Geometry::ECP5_DDR3)));
    Engine::new(device, &CHATTING.compiled.image, Some(CHATTING.tokenizer.clone())).expect("it loads")
}

fn generate(engine: &mut Engine, prompt: &[u32], tokens_max: usize) -> (Vec<u32>, Finish) {
    let mut generation =
        engine.generate(prompt, &Options { tokens_max, ..Options::default() }).expect("it starts");
    let mut ids = Vec::new();
    while let Some(event) = generation.next_event().expect("it runs") {
        if let Event::Token(token) = event {
            ids.push(token.id);
        }
    }
    (ids, generation.finish().expect("it ends"))
}

/// The questions as chats, with the template's own system line and without any.
fn chats() -> Vec<(&'static str, Vec<u32>)> {
    let tokenizer = &CHATTING.tokenizer;
    let template = Template::for_tokenizer(tokenizer);
    let questions = ["Write one sentence about the sea.", "What is the capital of France?"];
    let with = questions.map(|question| {
        (question, template.encode(tokenizer, &[Message::new("user", question)]).expect("it is said"))
    });
    let without = questions.map(|question| {
        let text = format!("<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n");
        (question, tokenizer.encode(&text).expect("it is said"))
    });
    with.into_iter().chain(without).collect()
}

/// Every token of an answer is the one that fp32 finds likeliest behind the same tokens, or nearly as likely.
#[test]
#[ignore = "minutes, and a model of 93 MB: cargo test --release -p lpu-cli --no-default-features --test chat_model -- --ignored"]
fn greedy_answers_are_those_of_fp32() {
    let Chatting { model, tokenizer, .. } = &*CHATTING;
    let mut engine = engine();
    for (question, prompt) in chats() {
        let (answer, finish) = generate(&mut engine, &prompt, 48);
        assert_eq!(finish.differing, 0, "predicted and measured cycles");
        let mut reference = Reference::new(model);
        let all: Vec<u32> = prompt.iter().chain(&answer).copied().collect();
        let mut ties = 0;
        for (position, token) in all.iter().enumerate() {
            let logits = reference.step(*token, position).expect("positions in order");
            let Some(next) = (position + 1 >= prompt.len()).then(|| all.get(position + 1)).flatten() else {
                continue;
            };
            let best = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let gap = best - logits[*next as usize];
            assert!(gap < TIE, "{question} token {position}: fp32 prefers another by {gap} logits");
            ties += usize::from(gap > 0.0);
        }
        println!(
            "{question} ({} tokens of prompt, {ties} near ties)\n  {}",
            prompt.len(),
            tokenizer.decode(&answer)
        );
    }
}

#[test]
#[ignore = "minutes, and a model of 93 MB: cargo test --release -p lpu-cli --no-default-features --test chat_model -- --ignored"]
fn every_token_takes_its_predicted_cycles() {
    let tokenizer = &CHATTING.tokenizer;
    let mut chip = Emulator::with_image(&CHATTING.compiled.image);
    let prompts = [
        "Once upon a time",
        "The capital of",
        "In 1969,",
        "def main():",
        "The sea is",
        "Dear Sir or Madam,",
        "Water boils at",
        "To be or not to be",
        "My favourite colour",
        "The theory of relativity",
    ];
    let options = Options { tokens_max: 64, ignore_ends: true, ..Options::default() };
    let mut engine = engine();
    for prompt in prompts {
        let ids = tokenizer.encode(prompt).expect("it is said");
        let mut generation = engine.generate(&ids, &options).expect("it starts");
        while generation.next_event().expect("it runs").is_some() {}
        let finish = generation.finish().expect("it ends");
        assert_eq!((finish.completion_tokens, finish.differing, finish.faults.0), (64, 0, 0), "{prompt}");
    }
    for position in [1, 15, 16, 100] {
        let executed = chip.execute(1, position);
        assert_eq!(executed.cycles, predict(&CHATTING.compiled.image, position), "position {position}");
    }
}

#[test]
#[ignore = "minutes, and a model of 93 MB: cargo test --release -p lpu-cli --no-default-features --test chat_model -- --ignored"]
fn the_same_model_gives_the_same_image() {
    let again = compiled(&CHATTING.model, &CHATTING.tokenizer);
    assert!(again.image.encode() == CHATTING.compiled.image.encode(), "the images differ");
}
