//! Who answers: connections to servers, and what goes over them.

pub(crate) mod answer;
pub(crate) mod attempt;
pub(crate) mod bound;
pub(crate) mod digest;
pub(crate) mod group;
pub(crate) mod groups;
pub(crate) mod idle;
pub(crate) mod kind;
pub(crate) mod large;
pub(crate) mod opening;
pub(crate) mod pipes;
pub(crate) mod runs_on;
pub(crate) mod status;
pub(crate) mod upload;
