# Three commands do everything on a fresh Debian or Ubuntu machine: `make demo`, `make chat` and `make test`.

.PHONY: demo chat test lint setup
.DEFAULT_GOAL := demo

TOOLS := cargo run --release -p lpu-cli --bin lpu --no-default-features
STORY := run models/stories-lpu/model.bin --prompt "Once upon a time, there was a little boy" --tokens 96

# Tests look at the waves of the small chip only: with signals to show, the large one takes minutes longer to compile.
export LPU_WAVES_GEOMETRY ?= nano
# And at the whole board of the small chip only.
export LPU_BOARD_GEOMETRY ?= nano

# The bundled model tells a story on the emulator, then the same story on the Verilated RTL of the full-size chip. Of the RTL only
# that chip is built.
demo:
	@./setup --host
	@echo "[1/2] a story on the emulator; building the tools first takes some minutes"
	@$(TOOLS) -- $(STORY)
	@./setup
	@echo "[2/2] the same story on the Verilated RTL of the full-size chip; building that first takes some minutes more"
	@LPU_RTL_GEOMETRY=ulx3s-85f LPU_BOARD_GEOMETRY= $(TOOLS) --features rtl -- $(STORY) --device rtl

# Chats with SmolLM2-135M-Instruct on the emulated chip with DDR3 memory: fetches it, compiles it once, and starts in a second from then on.
chat:
	@./setup --host
	@./tools/chat-model >/dev/null
	@echo "building the tools (minutes the first time), then compiling the model (half a minute the first time)"
	@cargo run --quiet --release -p lpu-cli --no-default-features --bin lpu -- chat "$$(./tools/chat-model)"

# Passes all tests: models, compiler, verifier, every hardware module and the whole chip in Verilator. One more at a time than there are
# cores, since some wait for a server or a browser. With --doc, Cargo heeds no manifest: the documentation of hdl's second package is that of
# the first.
test:
	@./setup --tests
	cargo test --workspace --exclude lpu-hdl-external --all-features --doc
	cargo nextest run --workspace --all-features --test-threads $$(($$(nproc) + 1))

# Formatting and lints, as errors.
lint: setup
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings

# Installs what is missing: compilers, Verilator, Yosys, Rust.
setup:
	@./setup
