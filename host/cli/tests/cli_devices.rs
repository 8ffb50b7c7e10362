//! Devices that a build may lack, and the waves of those that have them.

mod cli_fixture;

use cli_fixture::Fixture;

const RUN: [&str; 8] = ["run", "model.bin", "--geometry", "nano", "--tokens", "3", "--waves", "w.fst"];

#[test]
fn waves_are_for_the_rtl() {
    let fixture = Fixture::new();
    assert_eq!(
        fixture.refused(&RUN),
        "error: the emulator has no signals to show; expected `--device rtl` with --waves\n"
    );
    assert_eq!(fixture.files(), ["model.bin", "tokenizer.bin"]);
}

#[cfg(not(feature = "waves"))]
#[test]
fn without_waves_their_absence_is_explained() {
    let fixture = Fixture::new();
    assert_eq!(
        fixture.refused(&["run", "model.bin", "--device", "rtl", "--waves", "w.fst"]),
        "error: this `lpu` was built without waves; expected a run without --waves. To have them, build with \
         `cargo build --release -p lpu-cli --features waves`\n"
    );
}

#[cfg(feature = "waves")]
#[test]
fn waves_of_a_window_are_written_whole_or_not_at_all() {
    let fixture = Fixture::new();
    let run = |tail: &[&'static str]| {
        [&RUN[..], &["--device", "rtl", "--ignore-eos", "--waves-positions"], tail].concat()
    };
    assert_eq!(
        fixture.refused(&run(&["3..5"])),
        "error: --waves-positions begins at 3; expected a position below 3, those that this run executes\n"
    );
    assert_eq!(fixture.files(), ["model.bin", "tokenizer.bin"]);
    fixture.ok(&run(&["1..3"]));
    assert_eq!(fixture.files(), ["model.bin", "tokenizer.bin", "w.fst"]);
    // The first block of an FST file is its header, 329 bytes long.
    assert_eq!(fixture.read("w.fst")[..9], [0, 0, 0, 0, 0, 0, 0, 1, 73]);
}
