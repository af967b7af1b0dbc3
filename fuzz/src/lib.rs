//! What the fuzz targets look for. `http1` runs the same checks on the corpus as an ordinary test.

#[path = "../../crates/http1/tests/corpus/checks.rs"]
pub mod checks;
