//! Arguments and wiring only.

use std::process::ExitCode;

use argocd_access::causes::chain;
use argocd_access::cli::Cli;
use clap::Parser;

#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    match Cli::parse().execute().await {
        Ok(status) => status,
        Err(error) => {
            eprintln!("argocd-access: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}
