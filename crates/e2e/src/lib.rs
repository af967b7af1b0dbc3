//! Tests of the set together, as processes and as containers.
