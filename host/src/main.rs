//! The `lpu` command: from a checkpoint to text on a chip whose every cycle is known before.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
