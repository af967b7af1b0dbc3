//! The HTTP load balancer.

use std::process::ExitCode;

fn main() -> ExitCode {
    evenkeel_balancer::main()
}
