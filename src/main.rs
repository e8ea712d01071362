//! The program: an allocator around `cli::main`.

use std::process::ExitCode;

// The static musl binary is several times slower under threads with musl's own allocator, and we want one memory
// behaviour everywhere.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    charthouse::cli::main()
}
