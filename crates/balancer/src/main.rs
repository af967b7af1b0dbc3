//! The HTTP load balancer.

use std::process::ExitCode;

fn main() -> ExitCode {
    balancer::main()
}
