//! What is asked by probes, and needs no credentials. Faults spare it unless a rule names it.

/// Whether a path is asked by probes.
pub(crate) fn is_health(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz")
}
