//! The admin interface, as a person says it.

use evenkeel_service::Secret;

use super::DEMONSTRATION_TOKEN;

/// Who may do what here.
#[derive(Clone, Debug, Default)]
pub(crate) struct AdminSettings {
    /// What a change has to be asked with; without one nothing can be changed.
    pub(crate) token: Option<Secret>,
    /// Names, beside its addresses and those of a private network, under which the interface may be reached.
    pub(crate) hosts: Vec<String>,
}

impl AdminSettings {
    /// Whether the token is one that everybody knows.
    pub(crate) fn has_demonstration_token(&self) -> bool {
        self.token.as_ref().is_some_and(|token| token.expose() == DEMONSTRATION_TOKEN)
    }
}
