//! Small things that users meet: prompts from files and pipes, Ctrl-C, refused numbers, manual pages, the cache.

use crate::cli_fixture::Fixture;
use lpu_model::{Config, llama2c, synthetic};
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

const RUN: [&str; 4] = ["run", "model.bin", "--tokens", "4"];

#[test]
fn prompts_come_from_arguments_files_and_pipes() {
    let fixture = Fixture::new();
    let expected = fixture.ok(&[&RUN[..], &["--prompt", "abc"]].concat());
    fixture.write("prompt.txt", b"abc\r\n");
    assert_eq!(fixture.ok(&[&RUN[..], &["--prompt-file", "prompt.txt"]].concat()), expected);
    for tail in [&["--prompt-file", "-"][..], &["--prompt", "-"], &[]] {
        let finished = fixture.fed(&[&RUN[..], tail].concat(), b"abc\n");
        assert_eq!((finished.code, &finished.out), (0, &expected), "{tail:?}: {}", finished.err);
    }
    // What is given beats a pipe; an empty pipe is no prompt.
    let finished = fixture.fed(&[&RUN[..], &["--prompt", "abc"]].concat(), b"hello\n");
    assert_eq!(finished.out, expected);
    assert_eq!(fixture.fed(&RUN, b"").out, fixture.ok(&[&RUN[..], &["--prompt", ""]].concat()));
    let cases: [(&[&str], &[u8], &str); 3] = [
        (&["--prompt-file", "-"], b"ab\xff", "standard input is not UTF-8 from byte 2 on; expected a text"),
        (&["--prompt-file", "absent"], b"", "cannot read absent: No such file or directory (os error 2)"),
        (&["--prompt-file", "."], b"", "cannot read .: Is a directory (os error 21)"),
    ];
    for (tail, input, error) in cases {
        let finished = fixture.fed(&[&RUN[..], tail].concat(), input);
        assert_eq!((finished.code, finished.err), (2, format!("error: {error}\n")));
    }
}

/// Scripts leave pipes open that never carry anything.
#[test]
fn a_pipe_that_stays_silent_is_not_waited_for() {
    let fixture = Fixture::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lpu"));
    command.current_dir(fixture.folder.path()).args(RUN).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let open = child.stdin.take();
    let output = child.wait_with_output().expect("it ends");
    drop(open);
    assert!(output.status.success());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        told.starts_with("nothing came from standard input within 3 s: running without a prompt."),
        "{told}"
    );
}

#[test]
fn a_chat_that_cannot_read_says_read() {
    let fixture = Fixture::new();
    let finished = fixture.fed(&["chat", "model.bin", "--tokens", "2"], b"ab\xff\n");
    assert_eq!(finished.code, 2);
    assert!(finished.err.contains("error: cannot read standard input: "), "{}", finished.err);
}

#[test]
fn numbers_are_refused_in_words() {
    let fixture = Fixture::new();
    let cases: [(&[&str], &str); 9] = [
        (&["run", "m", "--tokens", "0"], "expected a whole number from 1 on, found \"0\""),
        (&["run", "m", "--tokens", "-1"], "expected a whole number from 1 on, found \"-1\""),
        (&["bench", "m", "--tokens", "many"], "expected a whole number from 1 on, found \"many\""),
        (&["run", "m", "--seed", "-1"], "expected a whole number from 0 on, found \"-1\""),
        (&["run", "m", "--top-p", "x"], "expected a number, found \"x\""),
        (&["run", "m", "--top-k", "0"], "expected a whole number from 1 on, found \"0\""),
        (
            &["compile", "m", "-o", "x", "--context", "70000"],
            "expected a whole number from 1 to 65536, found \"70000\"",
        ),
        (&["serve", "m", "--port", "70000"], "expected a smaller number, found 70000"),
        (&["inspect", "m", "--position", "-3"], "expected a whole number from 0 on, found \"-3\""),
    ];
    for (arguments, expected) in cases {
        let error = fixture.refused(arguments);
        assert!(error.lines().next().is_some_and(|line| line.ends_with(expected)), "{arguments:?}: {error}");
    }
}

#[cfg(unix)]
#[test]
fn arguments_that_are_no_text_are_named() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let fixture = Fixture::new();
    let mut command = fixture.command(&["run", "model.bin", "--prompt"]);
    let output = command.arg(OsStr::from_bytes(b"caf\xe9")).output().expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "error: the argument \"caf\u{fffd}\" is not UTF-8; expected a text in UTF-8\n"
    );
}

#[test]
fn options_of_the_ladder_need_it() {
    let fixture = Fixture::new();
    for option in
        [&["--plot", "x.svg"][..], &["--csv"], &["--md"], &["--models", "x"], &["--parameters-max", "5"]]
    {
        let error = fixture.refused(&[&["bench", "model.bin"], option].concat());
        assert!(error.contains("--ladder"), "{option:?}: {error}");
        let error = fixture.refused(&[&["bench"], option].concat());
        assert!(error.contains("--ladder"), "{option:?}: {error}");
    }
    let error = fixture.refused(&["bench", "model.bin", "--tokens", "2", "--csv"]);
    assert_eq!(
        error,
        "error: --csv is an option of the ladder; expected --ladder beside it, or a run without --csv\n"
    );
    assert_eq!(fixture.files(), ["model.bin", "tokenizer.bin"]);
}

#[test]
fn the_ladder_is_markdown_in_files_and_says_simulated() {
    let fixture = Fixture::new();
    let models = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models");
    let ladder = ["bench", "--ladder", "--models", models, "--parameters-max", "5000"];
    let shown = fixture.ok(&[&ladder[..], &["--plot", "x.svg"]].concat());
    assert!(shown.starts_with("| model | parameters |"), "{shown}");
    assert!(shown.contains("| LPU ulx3s-85f at 100 MHz | simulated |"), "{shown}");
    let picture = String::from_utf8(fixture.read("x.svg")).expect("SVG is text");
    assert!(picture.contains("(simulated)"), "{picture}");
    let plot = fixture.lpu(&[&ladder[..], &["--plot", "-"]].concat());
    assert!(plot.out.starts_with("<svg") && plot.err.contains("| model |"), "{}", plot.err);
    assert!(fixture.refused(&[&ladder[..], &["--plot", "-", "--csv"]].concat()).contains("--plot and --csv"));
}

#[test]
fn manual_pages_are_written_for_every_command() {
    let fixture = Fixture::new();
    fixture.ok(&["man", "pages/man1"]);
    let page = |name: &str| String::from_utf8(fixture.read(&format!("pages/man1/{name}"))).expect("UTF-8");
    assert!(page("lpu.1").contains("lpu"));
    let run = page("lpu-run.1");
    assert!(
        run.starts_with(".ie") && run.contains(".TH lpu-run 1") && run.contains("\\-\\-prompt\\-file"),
        "{run}"
    );
    assert!(page("lpu-cache-clear.1").contains(".TH lpu-cache-clear 1"));
}

#[test]
fn the_cache_is_listed_and_removed() {
    let fixture = Fixture::new();
    let cache = fixture.path("home/.cache/lpu");
    let lpu = |arguments: &[&str]| {
        let mut command = fixture.command(arguments);
        command.env("HOME", fixture.path("home")).env_remove("XDG_CACHE_HOME");
        let output = command.output().expect("it starts");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let place = cache.display().to_string();
    assert_eq!(lpu(&["cache"]), (Some(0), format!("{place}  0 B\n"), String::new()));
    std::fs::create_dir_all(cache.join("build/ulx3s-85f")).expect("writable");
    std::fs::write(cache.join("build/ulx3s-85f/board.bit"), [0; 1500]).expect("writable");
    std::fs::create_dir_all(cache.join("venv")).expect("writable");
    // What a link names lies elsewhere and stays.
    std::os::unix::fs::symlink(fixture.path("model.bin"), cache.join("venv/link")).expect("writable");
    let (code, out, _) = lpu(&["cache"]);
    assert_eq!(code, Some(0));
    assert!(out.contains("build  1.5 kB  1 file"), "{out}");
    let (code, _, error) = lpu(&["cache", "clear", "absent"]);
    assert_eq!(code, Some(2));
    assert_eq!(error, format!("error: no `absent` in {place}; expected one of: build, venv\n"));
    assert_eq!(lpu(&["cache", "clear", "build"]).0, Some(0));
    assert!(!cache.join("build").exists() && cache.join("venv").exists());
    let (code, out, _) = lpu(&["cache", "clear"]);
    assert!(code == Some(0) && out.starts_with(&format!("removed from {place}")), "{out}");
    assert!(!cache.join("venv").exists() && fixture.path("model.bin").exists());
}

/// A model that takes seconds for its context.
fn slow_model(fixture: &Fixture) {
    let config = Config { dim: 128, hidden_dim: 256, layers: 2, context: 1024, ..synthetic::tiny_llama() };
    let config = Config { head_dim: config.dim / config.heads, ..config };
    let rope = config.rope.clone().map(|rope| lpu_model::Rope { dims: config.head_dim, ..rope });
    let model = synthetic(&Config { rope, ..config }, 5).expect("a sound configuration");
    fixture.write("slow.bin", &llama2c::to_bytes(&model).expect("a model that the format can hold"));
}

/// Sampled, since the most likely token of random weights may be the same again and again, and have no text.
const ENDLESS: [&str; 8] =
    ["slow.bin", "--geometry", "virtual", "--ignore-eos", "--tokens", "1023", "--temperature", "1"];

fn interrupt(child: &Child) {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()), "it still runs");
}

#[test]
fn an_interrupted_run_says_what_it_did() {
    let fixture = Fixture::new();
    slow_model(&fixture);
    let mut command = Command::new(env!("CARGO_BIN_EXE_lpu"));
    command.current_dir(fixture.folder.path()).arg("run").args(ENDLESS).stdin(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut begun = [0; 4];
    let read = child.stdout.as_mut().expect("piped").read_exact(&mut begun);
    if read.is_err() {
        panic!("expected a text: {:?}", child.wait_with_output());
    }
    interrupt(&child);
    let output = child.wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{told}");
    assert!(told.contains("simulated") && told.contains(" of prompt, interrupted; "), "{told}");
}

/// A chat on a terminal, as its user sees it.
struct Terminal {
    child: Child,
    near: File,
    shown: Receiver<Vec<u8>>,
    all: String,
}

impl Terminal {
    fn chat(fixture: &Fixture) -> Self {
        let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&near).and_then(|()| unlockpt(&near)).expect("ours");
        let path = ptsname(&near, Vec::new()).expect("a name").to_string_lossy().into_owned();
        let far = || File::from(open(&path, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("ours"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_lpu"));
        command.current_dir(fixture.folder.path()).arg("chat").args(ENDLESS).env("TERM", "xterm");
        let child = command.stdin(far()).stdout(far()).stderr(far()).spawn().expect("it starts");
        let near = File::from(near);
        let mut reader = near.try_clone().expect("a descriptor");
        let (tell, shown) = channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                if tell.send(bytes[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { child, near, shown, all: String::new() }
    }

    /// Waits until these words have been shown after `from`; where they end.
    fn sees(&mut self, from: usize, words: &str) -> usize {
        loop {
            if let Some(place) = self.all[from..].find(words) {
                return from + place + words.len();
            }
            let bytes = self.shown.recv_timeout(Duration::from_secs(120));
            let bytes = bytes.unwrap_or_else(|_| panic!("expected {words:?} in {:?}", &self.all[from..]));
            self.all.push_str(&String::from_utf8_lossy(&bytes));
        }
    }

    fn types(&mut self, keys: &str) {
        self.near.write_all(keys.as_bytes()).expect("it listens");
    }
}

#[test]
fn ctrl_c_stops_an_answer_and_not_the_chat() {
    let fixture = Fixture::new();
    slow_model(&fixture);
    let mut chat = Terminal::chat(&fixture);
    let mut seen = chat.sees(0, "> ");
    for _ in 0..2 {
        chat.types("abc\r");
        // Something of the answer, after the line that the terminal shows again.
        while chat.all.len() < seen + 200 {
            let bytes = chat.shown.recv_timeout(Duration::from_secs(120)).expect("it answers");
            chat.all.push_str(&String::from_utf8_lossy(&bytes));
        }
        interrupt(&chat.child);
        seen = chat.sees(seen, "; interrupted");
        seen = chat.sees(seen, "> ");
        chat.types("/clear\r");
        seen = chat.sees(seen, "> ");
    }
    chat.types("/quit\r");
    assert!(chat.child.wait().expect("it ends").success());
}
