//! Requests that are sent elsewhere (`BALANCER_REDIRECT`). They share one table with the routes of upstreams, so that one request
//! has one destination.

use std::sync::Arc;

use evenkeel_message::routes::{Redirect, Routes};
use evenkeel_service::{Reading, Reported};

use super::upstreams::Destination;

/// What names them.
pub(super) const REDIRECT: &str = "REDIRECT";

/// Reads them, separated by commas or lines.
pub(super) fn read(reading: &mut Reading<'_>) -> Result<Vec<Arc<Redirect>>, Reported> {
    let redirects = reading.optional_with(REDIRECT, |text| {
        let written = text.split([',', '\n']).map(str::trim).filter(|text| !text.is_empty());
        written.map(|text| text.parse().map(Arc::new)).collect::<Result<Vec<_>, _>>()
    });
    Ok(redirects?.unwrap_or_default())
}

/// Reports each that leads back to itself: its clients would be sent round and round.
pub(super) fn lead_somewhere(
    reading: &mut Reading<'_>,
    redirects: &[Arc<Redirect>],
    table: &Routes<Destination>,
) -> Result<(), Reported> {
    let mut result = Ok(());
    for redirect in redirects {
        if let Some(through) = way_back(redirect, redirects.len(), table) {
            result = Err(reading.problem(REDIRECT, leads_back(redirect, &through)));
        }
    }
    result
}

/// The redirects through which this one leads to itself, if it does: nobody where it does at once.
fn way_back(redirect: &Redirect, most: usize, table: &Routes<Destination>) -> Option<Vec<Arc<Redirect>>> {
    let mut through: Vec<Arc<Redirect>> = Vec::new();
    let (mut host, mut path) = redirect.next()?;
    // A circle of others is theirs.
    for _ in 0..most {
        let found = table.pick(host.as_bytes(), path.as_bytes()).ok().flatten();
        let Some((_, Destination::Redirect(found))) = found else { return None };
        if **found == *redirect {
            return Some(through);
        }
        let (there, below) = found.next()?;
        if !there.is_empty() {
            host = there;
        }
        path = below;
        through.push(found.clone());
    }
    None
}

fn leads_back(redirect: &Redirect, through: &[Arc<Redirect>]) -> String {
    if let Some(next) = through.first() {
        return format!("`{redirect}` leads back to itself through `{next}`; take one of them away");
    }
    let is_of_all_paths = redirect.route().prefix().is_empty();
    let mend = if is_of_all_paths && redirect.to_string().contains("://") {
        "for https alone write BALANCER_HTTPS_REDIRECT=443"
    } else {
        "what follows the left side is kept, so the right one must not begin with it"
    };
    format!("`{redirect}` leads to itself; {mend}")
}
