#!/usr/bin/env bash
# Builds the firmware's image for the soft core and writes it as bytes: firmware/build.sh FILE
#
# Core is built from its sources by Debian's compiler, so that the image depends on these sources and on one compiler alone, and not on
# the folder of the clone (boot/rustc.sh).
set -euo pipefail
out=$(realpath -m "${1:?expected the file to write}")
cd "$(dirname "$0")/boot"
compiler=/usr/bin
for tool in rustc cargo ld.lld-22; do
    [[ -x $compiler/$tool ]] || { echo "expected $compiler/$tool, found none: run ./setup" >&2; exit 2; }
done
# The core has no multiplier (`zmmul` would still be one without `m`); paths of this machine must not reach the image.
flags="-C linker=ld.lld-22 -C link-arg=-Tmemory.ld -C relocation-model=static -C target-feature=-m,-zmmul"
flags+=" --remap-path-prefix=$(realpath ../..)=/lpu"
env -u CARGO_TARGET_DIR PATH=$compiler:/bin CARGO_HOME="$PWD/target/home" RUSTC_WRAPPER="$PWD/rustc.sh" RUSTC_BOOTSTRAP=1 RUSTFLAGS="$flags" \
    $compiler/cargo build --release --quiet --locked --target riscv32imc-unknown-none-elf --target-dir target \
    -Zbuild-std=core,panic_abort -Zbuild-std-features=optimize_for_size
python3 extract.py target/riscv32imc-unknown-none-elf/release/lpu-firmware "$out"
