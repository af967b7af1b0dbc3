//! Runs the whole set as processes on one machine, without Docker.

fn main() {}
