//! Keys and what they allow, across restarts and a sudden death.

use crate::support::{Answer, Served, model, read, request, send};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

const BODY: &str = r#"{"prompt": "Lily", "max_tokens": 4, "temperature": 0}"#;

/// Makes a key by the command; gives what its holder sends.
fn add_key(file: &Path, arguments: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_lpu")).arg("key").args(arguments).output().expect("it runs");
    let before = std::fs::read(file).unwrap_or_default();
    std::fs::write(file, [&before[..], b"\n", &output.stdout].concat()).expect("the folder can be written");
    let told = String::from_utf8(output.stderr).expect("text");
    told.split(' ').next().expect("the key").to_owned()
}

fn ask(address: SocketAddr, key: &str) -> Answer {
    let header = format!("authorization: Bearer {key}\r\n");
    send(address, &request("POST", "/v1/completions", &header, BODY)).expect("an answer")
}

#[test]
fn only_known_keys_may_ask_and_only_within_their_limits() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, usage) = (folder.path().join("keys.toml"), folder.path().join("usage.redb"));
    let alice = add_key(&file, &["alice", "--requests-per-day", "3", "--tokens-per-day", "1000"]);
    let bob = add_key(&file, &["bob", "--tokens-quota", "5"]);
    let arguments = ["--keys", file.to_str().expect("text"), "--usage", usage.to_str().expect("text")];
    let served = Served::start(&arguments);
    for wrong in ["", "lpu_0", &alice[..alice.len() - 1]] {
        let answer = ask(served.address, wrong);
        assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (401, Some("invalid_api_key")));
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"lpu\""));
    }
    for header in [
        format!("authorization: bearer {alice}"),
        format!("Authorization: BEARER  {alice}"),
        format!("x-api-key: {alice}"),
    ] {
        let asked = request("GET", "/v1/models", &format!("{header}\r\n"), "");
        assert_eq!(send(served.address, &asked).expect("an answer").status, 200, "{header}");
    }
    let first = ask(served.address, &alice);
    assert_eq!(first.status, 200);
    assert_eq!(first.header("x-ratelimit-limit-requests"), Some("3"));
    assert_eq!(first.header("x-ratelimit-remaining-requests"), Some("2"));
    let used = first.json()["usage"]["total_tokens"].as_u64().expect("a number");
    let second = ask(served.address, &alice);
    let remaining = second.header("x-ratelimit-remaining-tokens").map(str::to_owned);
    assert_eq!(remaining, Some((1000 - 2 * used).to_string()));
    assert!(second.header("x-ratelimit-reset-tokens").is_some_and(|reset| reset.ends_with('s')));
    assert_eq!(ask(served.address, &bob).status, 200, "begun within the quota, so finished");
    let spent = ask(served.address, &bob);
    assert_eq!((spent.status, spent.json()["error"]["code"].as_str()), (402, Some("insufficient_quota")));
    served.end();
    // What it had counted is still there.
    let served = Served::start(&arguments);
    assert_eq!(ask(served.address, &bob).status, 402);
    assert_eq!(ask(served.address, &alice).status, 200);
    let refused = ask(served.address, &alice);
    assert_eq!(refused.status, 429);
    let seconds = refused.header("retry-after").and_then(|seconds| seconds.parse::<u64>().ok());
    assert!(seconds.is_some_and(|seconds| (1..=86_400).contains(&seconds)), "{refused:?}");
}

#[test]
fn a_server_killed_under_load_leaves_a_whole_usage_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, usage) = (folder.path().join("keys.toml"), folder.path().join("usage.redb"));
    let key = add_key(&file, &["load"]);
    let arguments = ["--keys", file.to_str().expect("text"), "--usage", usage.to_str().expect("text")];
    for _ in 0..3 {
        let served = Served::start(&arguments);
        let address = served.address;
        let clients: Vec<_> = (0..8)
            .map(|_| {
                let key = key.clone();
                std::thread::spawn(move || {
                    let header = format!("authorization: Bearer {key}\r\n");
                    let mut answered = 0u32;
                    while let Ok(mut stream) = TcpStream::connect(address) {
                        let asked = request("POST", "/v1/completions", &header, BODY);
                        match stream.write_all(asked.as_bytes()).and_then(|()| read(stream)) {
                            Ok(answer) if answer.status == 200 => answered += 1,
                            _ => break,
                        }
                    }
                    answered
                })
            })
            .collect();
        std::thread::sleep(std::time::Duration::from_millis(300));
        drop(served);
        let answered: u32 = clients.into_iter().map(|client| client.join().expect("a client")).sum();
        println!("{answered} answers before the end");
    }
    // A file that is not whole would refuse to open.
    assert_eq!(ask(Served::start(&arguments).address, &key).status, 200);
}

#[test]
fn a_public_address_needs_keys_or_a_clear_word() {
    let output = Command::new(env!("CARGO_BIN_EXE_lpu"))
        .args(["serve", "--host", "0.0.0.0", "--port", "0"])
        .arg(model())
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains("expected --keys FILE, a loopback address such as 127.0.0.1, or --open-to-all"),
        "{told}"
    );
}
