//! The boards of `constraints/` are part of the command: it is built again when they change.

fn main() {
    println!("cargo:rerun-if-changed=../../constraints");
}
