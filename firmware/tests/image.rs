//! The committed image is what the sources give, bit for bit.

use std::path::Path;
use std::process::Command;

/// The compiler that made the image; another one makes other bytes.
const COMPILER: &str = "rustc 1.96.0";

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_image_is_what_the_sources_give() {
    let found = Command::new("/usr/bin/rustc").arg("--version").output().map(|output| output.stdout);
    let found = String::from_utf8(found.unwrap_or_default()).unwrap_or_default();
    if !found.starts_with(COMPILER) || !Path::new("/usr/bin/ld.lld-22").exists() {
        let missing = format!(
            "expected Debian's {COMPILER} and lld-22, found {found:?}: ./setup --tests installs them where it can"
        );
        let required = ["CI", "LPU_REQUIRE_TOOLS"].iter().any(|name| std::env::var_os(name).is_some());
        assert!(!required, "{missing}");
        println!("skipped: {missing}");
        return;
    }
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join("image.bin");
    let status = Command::new(folder().join("build.sh")).arg(&built).status().expect("the script runs");
    assert!(status.success(), "firmware/build.sh failed");
    let read =
        |path: &Path| std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (built, committed) = (read(&built), read(&folder().join("image.bin")));
    assert!(built == committed, "the image is stale: run firmware/build.sh firmware/image.bin and commit it");
}

#[test]
fn the_image_leaves_room_for_state_and_stack() {
    let image = std::fs::read(folder().join("image.bin")).expect("the image is committed");
    assert!(
        image.len().is_multiple_of(4) && image.len() < lpu_isa::soc::MEMORY_BYTES - 11 * 512,
        "{} bytes",
        image.len()
    );
}
