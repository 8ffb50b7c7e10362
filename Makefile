# Two commands do everything on a fresh Debian or Ubuntu machine: `make demo` and `make test`.

.PHONY: demo chat test lint setup
.DEFAULT_GOAL := demo

LPU := cargo run --quiet --release -p lpu-cli --features rtl --bin lpu --
MODEL := models/stories-lpu/model.bin

# Tests look at the waves of the small chip only: with signals to show, the large one takes minutes longer to compile.
export LPU_WAVES_GEOMETRY ?= nano
# And at the whole board of the small chip only.
export LPU_BOARD_GEOMETRY ?= nano

# Runs the bundled model on the Verilated RTL of the full-size chip.
demo: setup
	@echo "building the tools and the Verilated chip (minutes the first time)"
	$(LPU) run $(MODEL) --device rtl --prompt "Once upon a time, there was a little boy" --tokens 96

# Chats with SmolLM2-135M-Instruct on the emulated chip with DDR3 memory: fetches it, compiles it once, and starts in a second from then on.
chat:
	@./setup --host
	@./tools/chat-model >/dev/null
	@echo "building the tools (minutes the first time), then compiling the model (half a minute the first time)"
	@cargo run --quiet --release -p lpu-cli --no-default-features --bin lpu -- chat "$$(./tools/chat-model)"

# Passes all tests: models, compiler, verifier, every hardware module and the whole chip in Verilator.
test:
	@./setup --tests
	cargo test --workspace --all-features

# Formatting and lints, as errors.
lint: setup
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings

# Installs what is missing: compilers, Verilator, Yosys, Rust.
setup:
	@./setup
