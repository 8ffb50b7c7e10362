//! With the feature `rtl`: emits the Verilog of every chip, has Verilator turn it into C++, and compiles that behind the bridge.

#[cfg(feature = "rtl")]
mod chips;
#[cfg(feature = "rtl")]
mod taps;
#[cfg(feature = "rtl")]
mod verilator;

fn main() {
    println!("cargo:rerun-if-changed=build");
    #[cfg(feature = "rtl")]
    if is_linked() {
        chips::build().unwrap_or_else(|error| {
            eprintln!("{error}");
            std::process::exit(1);
        });
    }
}

/// Whether this build becomes a program. Clippy reads the Rust alone, and cargo keeps what it builds for Clippy apart: the chips would
/// be compiled once more, and never used.
#[cfg(feature = "rtl")]
fn is_linked() -> bool {
    let wrapper = std::env::var_os("RUSTC_WORKSPACE_WRAPPER").unwrap_or_default();
    std::path::Path::new(&wrapper).file_stem() != Some("clippy-driver".as_ref())
}
