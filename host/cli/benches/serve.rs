//! What the server adds to each token, and how it shares two devices among 64 streams. Figures, no verdicts:
//! `cargo bench -p lpu-cli --bench serve`.

#[path = "../tests/serve/support.rs"]
#[allow(dead_code, reason = "the tests of the server use the rest")]
mod support;

use lpu_compiler::{Options, compile};
use lpu_isa::Geometry;
use lpu_isa::image::Image;
use lpu_sim::device::{Device, RunRequest};
use lpu_sim::{Emulator, PortDevice};
use std::net::SocketAddr;
use std::time::Instant;
use support::{Served, post};

const TOKENS: usize = 200;
const RUNS: usize = 60;
const STREAMS: usize = 64;
const STREAM_TOKENS: usize = 100;

fn main() {
    let (image, prompt) = bundled();
    let served = Served::start(&[]);
    overhead(&image, &prompt, served.address);
    streams(&served);
}

fn bundled() -> (Image, Vec<u16>) {
    let (model, tokenizer) = lpu_model::load(support::model()).expect("the bundled model");
    let tokenizer = tokenizer.expect("the bundled tokenizer");
    let options = Options { name: "stories-lpu".into(), ..Options::default() };
    let image = compile(&model, Some(&tokenizer), &Geometry::ULX3S_85F, &options).expect("it fits").image;
    let ids = tokenizer.encode("Lily").expect("plain letters");
    (image.into_image(), ids.into_iter().map(|id| id as u16).collect())
}

/// A part of the sorted numbers from below: 0.5 is the median.
fn quantile(numbers: &[f64], part: f64) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * part).round() as usize]
}

/// One client: from the connection to the last byte, less the time of the same run on a device in this process, for each token.
/// Both are measured in turn, so that other work on the machine meets both; the client shares the server's processors.
fn overhead(image: &Image, prompt: &[u16], address: SocketAddr) {
    let mut device = PortDevice::new(Emulator::new(image.geometry));
    device.load(image).expect("it fits");
    let body = format!(
        r#"{{"prompt": "Lily", "max_tokens": {TOKENS}, "temperature": 0, "stream": true, "x_lpu": {{"ignore_eos": true}}}}"#
    );
    let micros = |begin: Instant| begin.elapsed().as_secs_f64() / TOKENS as f64 * 1e6;
    let (mut alone, mut streamed, mut added) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let begin = Instant::now();
        device.start(&RunRequest::greedy(prompt, prompt.len() - 1 + TOKENS)).expect("an idle device");
        while device.next_step().expect("a sound device").is_some() {}
        alone.push(micros(begin));
        let begin = Instant::now();
        let answer = post(address, "/v1/completions", &body);
        streamed.push(micros(begin));
        added.push(streamed[streamed.len() - 1] - alone[alone.len() - 1]);
        assert!(answer.body.ends_with("data: [DONE]\n\n"), "{answer:?}");
    }
    println!("1 client, {TOKENS} tokens, {RUNS} pairs of runs, for each token:");
    println!(
        "  device alone {:.1} us, streamed {:.1} us, added {:.1} us; medians, half of the pairs between {:.1} and {:.1} us",
        quantile(&alone, 0.5),
        quantile(&streamed, 0.5),
        quantile(&added, 0.5),
        quantile(&added, 0.25),
        quantile(&added, 0.75)
    );
}

fn resident_kb(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}

/// Many clients: how long each waits, and what the server's memory does.
fn streams(served: &Served) {
    let body = format!(
        r#"{{"prompt": "Lily", "max_tokens": {STREAM_TOKENS}, "seed": 1, "stream": true, "x_lpu": {{"ignore_eos": true}}}}"#
    );
    println!("{STREAMS} streams of {STREAM_TOKENS} tokens at once on 2 devices:");
    for round in 1..=4 {
        let begin = Instant::now();
        let address = served.address;
        let mut ends: Vec<f64> = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..STREAMS)
                .map(|_| {
                    scope.spawn(|| {
                        let answer = post(address, "/v1/completions", &body);
                        assert!(answer.body.ends_with("data: [DONE]\n\n"), "{answer:?}");
                        begin.elapsed().as_secs_f64()
                    })
                })
                .collect();
            clients.into_iter().map(|client| client.join().expect("a client")).collect()
        });
        ends.sort_by(f64::total_cmp);
        let rate = (STREAMS * STREAM_TOKENS) as f64 / ends[STREAMS - 1];
        println!(
            "  round {round}: ends after {:.2} to {:.2} s, median {:.2} s, {rate:.0} tokens/s, {} kB resident",
            ends[0],
            ends[STREAMS - 1],
            quantile(&ends, 0.5),
            resident_kb(served.process.id())
        );
    }
}
