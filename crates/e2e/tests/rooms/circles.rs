//! The circles among imports: of each entanglement (rooms of which each leads to each other) the shortest.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use crate::imports::Imports;

/// A circle, with the place of each of its imports.
pub(crate) struct Circle {
    /// The rooms in turn, the first not repeated at the end.
    rooms: Vec<String>,
    /// `from → to: file:line`, in turn.
    places: Vec<String>,
    /// Who else is in the entanglement.
    others: Vec<String>,
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}", self.rooms.join(" → "), self.rooms[0])?;
        for place in &self.places {
            write!(f, "\n  {place}")?;
        }
        if !self.others.is_empty() {
            write!(f, "\n  in one entanglement with them: {}", self.others.join(", "))?;
        }
        Ok(())
    }
}

/// One circle of each entanglement, in the order of the names.
pub(crate) fn circles(imports: &Imports) -> Vec<Circle> {
    let mut found = Vec::new();
    let mut told = BTreeSet::new();
    for room in imports.keys().map(|(from, _)| from) {
        if told.contains(room) || way(imports, room, room).is_none() {
            continue;
        }
        let entangled = |other: &&String| {
            *other == room || way(imports, room, other).is_some() && way(imports, other, room).is_some()
        };
        let all: BTreeSet<&String> = imports.keys().map(|(from, _)| from).filter(entangled).collect();
        let shortest = all.iter().filter_map(|start| way(imports, start, start)).min_by_key(Vec::len);
        let rooms = shortest.expect("the room itself is in a circle");
        let others = all.iter().filter(|other| !rooms.contains(other)).map(ToString::to_string).collect();
        told.extend(all);
        let next = rooms.iter().cycle().skip(1);
        let places = rooms
            .iter()
            .zip(next)
            .map(|(from, to)| format!("{from} → {to}: {}", imports[&(from.clone(), to.clone())]));
        found.push(Circle { places: places.collect(), rooms, others });
    }
    found
}

/// The rooms on the shortest way from one to another over at least one import, the last left out.
fn way(imports: &Imports, from: &str, to: &str) -> Option<Vec<String>> {
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut waiting = VecDeque::from([from]);
    while let Some(here) = waiting.pop_front() {
        for next in imports.keys().filter(|(start, _)| start == here).map(|(_, next)| next.as_str()) {
            if next == to {
                let mut way = vec![here.to_owned()];
                let mut at = here;
                while at != from {
                    at = came_from[at];
                    way.push(at.to_owned());
                }
                way.reverse();
                return Some(way);
            }
            if next != from && !came_from.contains_key(next) {
                came_from.insert(next, here);
                waiting.push_back(next);
            }
        }
    }
    None
}
