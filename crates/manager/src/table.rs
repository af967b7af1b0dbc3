//! The table of who runs where, so that one can `kill` and `curl` each.

use crate::plan::Member;

const HEADINGS: [&str; 4] = ["name", "pid", "address", "admin"];

/// One line a member, under headings; `pid` is `None` for a member that is not running.
pub(crate) fn table<'a>(rows: impl Iterator<Item = (&'a Member, Option<u32>)>) -> String {
    let url = |address: Option<std::net::SocketAddr>| {
        address.map_or("-".to_owned(), |address| format!("http://{address}"))
    };
    let mut lines = vec![HEADINGS.map(str::to_owned)];
    lines.extend(rows.map(|(member, pid)| {
        [
            member.name.clone(),
            pid.map_or("-".to_owned(), |pid| pid.to_string()),
            url(member.addresses.map(|addresses| addresses.traffic)),
            url(member.addresses.map(|addresses| addresses.admin)),
        ]
    }));
    let mut widths = [0; HEADINGS.len()];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.len().max(*width);
        }
    }
    let row = |line: &[String; HEADINGS.len()]| {
        let cells: Vec<_> = line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    lines.iter().map(row).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::plan::{Addresses, Kind};

    #[test]
    fn columns_line_up_and_what_is_not_there_is_a_dash() {
        let member = |name: &str, kind, addresses| Member {
            name: name.to_owned(),
            kind,
            handed_as: String::new(),
            variables: BTreeMap::new(),
            addresses,
        };
        let address = |port: u16| std::net::SocketAddr::from(([127, 0, 0, 1], port));
        let addresses = Some(Addresses { traffic: address(8081), admin: address(9091) });
        let server = member("server-1", Kind::Server, addresses);
        let client = member("client", Kind::Client, None);
        assert_eq!(
            table([(&server, Some(4711)), (&client, None)].into_iter()),
            "name      pid   address                admin\n\
             server-1  4711  http://127.0.0.1:8081  http://127.0.0.1:9091\n\
             client    -     -                      -"
        );
    }
}
