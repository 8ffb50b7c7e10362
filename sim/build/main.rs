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
    chips::build().unwrap_or_else(|error| {
        eprintln!("{error}");
        std::process::exit(1);
    });
}
