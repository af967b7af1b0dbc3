//! What is said about look-ups: a name that is not found is the commonest mistake in a setting, and a set whose names have
//! gone is the commonest surprise. Each is said once, and again when it changes; look-ups come every second.

use std::net::SocketAddr;

use evenkeel_upstream::{NameSpec, UpstreamSpec};
use evenkeel_wire::ResolveError;
use tracing::{debug, info, warn};

/// How the last look-up of each name went.
#[derive(Debug)]
pub(crate) struct Names {
    /// Where the names come from.
    variable: String,
    known: Vec<Known>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Nothing,
    Found,
    Missing,
}

/// What is new about a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    NotFound,
    /// It was found before.
    NoLonger,
    Again,
}

impl Names {
    /// So many names that have not been looked up yet.
    pub(crate) fn new(variable: String, count: usize) -> Self {
        Self { variable, known: vec![Known::Nothing; count] }
    }

    /// Other names from now on; of those that were among the ones before it is known how they went.
    pub(crate) fn adopt(&mut self, variable: String, before: &[NameSpec], names: &UpstreamSpec) {
        let mut known = vec![Known::Nothing; names.names().len()];
        for (name, was) in before.iter().zip(&self.known) {
            if let Some(place) = names.place_of(name) {
                known[place] = *was;
            }
        }
        *self = Self { variable, known };
    }

    /// Says what a look-up of the name with this index has found, where that is new.
    pub(crate) fn looked_up(
        &mut self,
        index: usize,
        name: &str,
        found: &Result<Vec<SocketAddr>, ResolveError>,
    ) {
        let news = self.note(index, found.is_ok());
        let variable = &self.variable;
        match (news, found) {
            (Some(News::Again), Ok(addresses)) => info!("{variable}: `{name}` is found: {addresses:?}"),
            (Some(News::NotFound), Err(error)) => warn!("{variable}: `{name}` is not found: {error}"),
            (Some(News::NoLonger), Err(error)) => {
                warn!("{variable}: `{name}` is not found any more; what is known is kept: {error}");
            }
            (_, Err(error)) => debug!("{variable}: `{name}` is still not found: {error}"),
            (_, Ok(_)) => {}
        }
    }

    fn note(&mut self, index: usize, is_found: bool) -> Option<News> {
        let known = &mut self.known[index];
        let before = *known;
        *known = if is_found { Known::Found } else { Known::Missing };
        match (before, *known) {
            (Known::Nothing, Known::Missing) => Some(News::NotFound),
            (Known::Found, Known::Missing) => Some(News::NoLonger),
            (Known::Missing, Known::Found) => Some(News::Again),
            // The endpoints that a first look-up finds are news enough.
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_found_is_said_once_and_again_when_that_changes() {
        let mut names = Names::new("BALANCER_UPSTREAM".to_owned(), 2);
        let news: Vec<_> =
            [false, false, true, true, false, false, true].map(|found| names.note(1, found)).into();
        let (lost, again) = (Some(News::NoLonger), Some(News::Again));
        assert_eq!(news, [Some(News::NotFound), None, again, None, lost, None, again]);
        assert_eq!(names.note(0, true), None);
    }
}
