//! Files that commands write: regular ones are replaced whole, everything else is written in place.

use crate::cli_fixture::Fixture;
use rustix::fs::{CWD, FileType, Mode, OFlags, makedev, mknodat, open};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::process::Command;
use std::thread;

/// Every option of the small commands that names an output; its value follows.
const OPTIONS: [&[&str]; 3] = [
    &["compile", "model.bin", "-o"],
    &["inspect", "model.bin", "--trace"],
    &["inspect", "model.bin", "--plot"],
];

/// What each option writes to a file that was not there.
fn expected(fixture: &Fixture, option: &[&str]) -> Vec<u8> {
    fixture.ok(&[option, &["expected"]].concat());
    let bytes = fixture.read("expected");
    fs::remove_file(fixture.path("expected")).expect("it was written");
    assert!(!bytes.is_empty());
    bytes
}

#[test]
fn regular_files_are_replaced_and_keep_their_permissions() {
    let fixture = Fixture::new();
    for option in OPTIONS {
        let expected = expected(&fixture, option);
        fixture.write("kept", b"older");
        fs::set_permissions(fixture.path("kept"), fs::Permissions::from_mode(0o640)).expect("ours");
        fixture.ok(&[option, &["kept"]].concat());
        assert_eq!(fixture.read("kept"), expected);
        assert_eq!(fs::metadata(fixture.path("kept")).expect("there").mode() & 0o777, 0o640);
        assert_eq!(fixture.files(), ["kept", "model.bin", "tokenizer.bin"]);
    }
}

#[test]
fn symbolic_links_stay_and_their_targets_are_written() {
    let fixture = Fixture::new();
    fs::create_dir(fixture.path("elsewhere")).expect("writable");
    for option in OPTIONS {
        let expected = expected(&fixture, option);
        fixture.write("elsewhere/there", b"older");
        _ = fs::remove_file(fixture.path("elsewhere/absent"));
        for name in ["there", "absent"] {
            // A link to a link, both relative.
            symlink(format!("elsewhere/{name}"), fixture.path("middle")).expect("writable");
            symlink("middle", fixture.path("link")).expect("writable");
            fixture.ok(&[option, &["link"]].concat());
            assert_eq!(fixture.read(&format!("elsewhere/{name}")), expected, "{option:?} {name}");
            for link in ["link", "middle"] {
                assert!(fixture.path(link).is_symlink(), "{option:?} {name} {link}");
                fs::remove_file(fixture.path(link)).expect("it is there");
            }
        }
    }
    symlink("circle", fixture.path("circle")).expect("writable");
    let error = fixture.refused(&["inspect", "model.bin", "--trace", "circle"]);
    assert!(error.starts_with("error: cannot write circle: Too many levels of symbolic links"), "{error}");
}

#[test]
fn pipes_stay_and_carry_the_bytes() {
    let fixture = Fixture::new();
    let pipe = fixture.path("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("writable");
    symlink("pipe", fixture.path("link")).expect("writable");
    for option in OPTIONS {
        let expected = expected(&fixture, option);
        for name in ["pipe", "link"] {
            let path = pipe.clone();
            let reader = thread::spawn(move || fs::read(path).expect("readable"));
            fixture.ok(&[option, &[name]].concat());
            assert_eq!(reader.join().expect("it reads"), expected, "{option:?} {name}");
            assert!(fs::symlink_metadata(&pipe).expect("there").file_type().is_fifo());
        }
    }
    assert_eq!(fixture.files(), ["link", "model.bin", "pipe", "tokenizer.bin"]);
}

#[test]
fn a_terminal_is_written_in_place() {
    let fixture = Fixture::new();
    let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
    grantpt(&near).and_then(|()| unlockpt(&near)).expect("ours");
    let path = ptsname(&near, Vec::new()).expect("a name").to_string_lossy().into_owned();
    let far = open(&path, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("ours");
    let mut settings = tcgetattr(&far).expect("a terminal");
    settings.make_raw();
    tcsetattr(&far, OptionalActions::Now, &settings).expect("a terminal");
    let mut near = File::from(near);
    for option in OPTIONS {
        let expected = expected(&fixture, option);
        let count = expected.len();
        let reader = thread::spawn(move || {
            let mut found = vec![0; count];
            near.read_exact(&mut found).expect("as many bytes as a file gets");
            (near, found)
        });
        fixture.ok(&[option, &[&path]].concat());
        let (again, found) = reader.join().expect("it reads");
        near = again;
        assert!(found == expected, "{option:?}: other bytes on the terminal");
        assert!(fs::metadata(&path).expect("there").file_type().is_char_device());
    }
}

/// Nodes of one's own for the devices behind `/dev/null` and `/dev/full`, so that a failure does not destroy those of the machine.
/// Only root may make them, and not on every disk; the terminal above is a device for all.
#[test]
fn device_nodes_are_never_replaced() {
    let fixture = Fixture::new();
    for (name, minor) in [("null", 3), ("full", 7)] {
        let device = makedev(1, minor);
        let path = fixture.path(name);
        let mode = Mode::from_raw_mode(0o600);
        let made = mknodat(CWD, &path, FileType::CharacterDevice, mode, device);
        if made.is_err() || File::open(&path).is_err() {
            assert!(matches!(made, Ok(()) | Err(Errno::PERM)), "{made:?}");
            return;
        }
        for option in OPTIONS {
            let finished = fixture.lpu(&[option, &[name]].concat());
            match name {
                "null" => assert_eq!(finished.code, 0, "{option:?}: {}", finished.err),
                _ => {
                    assert_eq!(finished.code, 2, "{option:?}: {}", finished.err);
                    let expected = "error: cannot write full: No space left on device (os error 28). Free some space, or name a \
                                    file on another disk\n";
                    assert!(finished.err.ends_with(expected), "{}", finished.err);
                }
            }
            let found = fs::symlink_metadata(&path).expect("the node is still there");
            assert!(
                found.file_type().is_char_device() && found.rdev() == device,
                "{option:?} replaced {name}"
            );
        }
    }
}

#[test]
fn standard_output_carries_the_file_and_nothing_else() {
    let fixture = Fixture::new();
    let image = expected(&fixture, OPTIONS[0]);
    for name in ["-", "/dev/stdout", "/proc/self/fd/1"] {
        let output = fixture.command(&["compile", "model.bin", "-o", name]).output().expect("it starts");
        assert!(output.status.success(), "{output:?}");
        assert!(output.stdout == image, "{name}: other bytes than in a file");
        assert!(String::from_utf8_lossy(&output.stderr).contains("tokens/s"), "the report is told elsewhere");
    }
    let trace = fixture.lpu(&["inspect", "model.bin", "--trace", "-"]);
    assert!(serde_json::from_str::<serde_json::Value>(&trace.out).is_ok(), "{}", trace.out);
    assert!(trace.err.contains("Cycles per token"), "{}", trace.err);
    let same = |first: &str, second: &str| {
        format!(
            "error: {first} and {second} would be written to the same place; expected two: name a file of its own for one of \
             them\n"
        )
    };
    let cases: [(&[&str], _); 4] = [
        (&["compile", "model.bin", "-o", "-", "--json"], same("-o", "--json")),
        (&["inspect", "model.bin", "--trace", "-", "--plot", "/dev/stdout"], same("--trace", "--plot")),
        (&["inspect", "model.bin", "--plot", "-", "--asm"], same("--plot", "--asm")),
        (&["inspect", "model.bin", "--trace", "x", "--plot", "./x"], same("--trace", "--plot")),
    ];
    for (arguments, expected) in cases {
        assert_eq!(fixture.refused(arguments), expected);
    }
    assert_eq!(fixture.files(), ["model.bin", "tokenizer.bin"]);
}

#[test]
fn what_a_command_reads_is_not_replaced() {
    let fixture = Fixture::new();
    let before = [fixture.read("model.bin"), fixture.read("tokenizer.bin")];
    symlink("model.bin", fixture.path("link")).expect("writable");
    let cases: [&[&str]; 4] = [
        &["inspect", "model.bin", "--trace", "model.bin"],
        &["inspect", "model.bin", "--plot", "link"],
        &["inspect", "link", "--plot", "./model.bin"],
        &["compile", "model.bin", "--tokenizer", "tokenizer.bin", "-o", "tokenizer.bin"],
    ];
    for arguments in cases {
        let error = fixture.refused(arguments);
        assert!(
            error.contains(" is one of the files that this command reads; expected another one"),
            "{error}"
        );
    }
    assert_eq!([fixture.read("model.bin"), fixture.read("tokenizer.bin")], before);
}

/// A limit on the size of files stands for a full disk, and the signal that it sends for an interruption.
#[test]
fn a_write_that_fails_or_is_interrupted_leaves_the_old_file() {
    let fixture = Fixture::new();
    fixture.write("kept", b"older");
    for option in OPTIONS {
        for signal in ["trap '' XFSZ", ":"] {
            let script = format!("{signal}; ulimit -f 2; exec \"$0\" \"$@\"");
            let output = Command::new("sh")
                .args(["-c", &script, env!("CARGO_BIN_EXE_lpu")])
                .args(option)
                .arg("kept")
                .current_dir(fixture.folder.path())
                .output()
                .expect("a shell");
            let words = String::from_utf8_lossy(&output.stderr);
            if signal == ":" {
                assert_eq!(output.status.code(), None, "a signal ends it: {words}");
            } else {
                assert_eq!(output.status.code(), Some(2), "{words}");
                assert!(words.contains("cannot write kept: File too large"), "{words}");
                assert_eq!(fixture.files(), ["kept", "model.bin", "tokenizer.bin"]);
            }
            assert_eq!(fixture.read("kept"), b"older", "{option:?} {signal}");
            // What an interruption leaves is another file, and hidden.
            for name in fixture.files().iter().filter(|name| name.starts_with(".lpu-")) {
                fs::remove_file(fixture.path(name)).expect("ours");
            }
        }
    }
    fixture.refused(&["run", "model.bin", "--record", "kept"]);
    assert_eq!(fixture.read("kept"), b"older", "nothing was recorded");
}
