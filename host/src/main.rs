//! The `lockstep` command: parse, run, exit.

use std::process::ExitCode;

use lockstep::cli;

/// Records are many small values that come and go: with the system's allocator a quarter of a hub's time was spent there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::parse(std::env::args_os()) {
        Ok(invocation) => cli::run(invocation),
        Err(refusal) => refusal.show(),
    }
    .into()
}
