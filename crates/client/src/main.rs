//! Sends, verifies, measures and reports.

fn main() {}
