//! The rows: what is done, what of it is measured, and the goals.
//!
//! To add one: a line in [`ALL`] and, where it is measured in a way of its own, a file.

use crate::{
    Result,
    contenders::{HAPROXY, NGINX, OWN},
    load::tls::Mode,
    report::{Better, Goal},
    rounds::Measured,
    servers::SMALL,
    stage::Stage,
};

mod digest;
mod floor;
mod latency;
mod memory;
mod pick;
mod throughput;
mod tls;
mod watched;
mod workers;

/// One row.
pub(crate) struct Work {
    /// How it is called on the command line.
    pub(crate) name: &'static str,
    /// What is done.
    pub(crate) words: &'static str,
    /// What is measured.
    pub(crate) unit: &'static str,
    /// Which figures are better.
    pub(crate) better: Better,
    /// Who has goals.
    pub(crate) subject: &'static str,
    /// How the subject shall stand to others, as a ratio.
    pub(crate) goals: &'static [(&'static str, Goal)],
    /// Whether `--quick` measures it.
    pub(crate) is_quick: bool,
    /// Measures it.
    pub(crate) play: fn(&Stage) -> Result<Measured>,
}

const REQUESTS: &str = "requests per CPU-second";
const BYTES: &str = "MiB per CPU-second";
const HANDSHAKES: &str = "handshakes per CPU-second";

/// All rows, in the order of the table.
pub(crate) static ALL: [Work; 21] = [
    Work {
        name: "small-get",
        words: "GET, 60 bytes",
        unit: REQUESTS,
        better: Better::More,
        subject: OWN,
        goals: &[(NGINX, Goal::AtLeast(1.25)), (HAPROXY, Goal::AtLeast(1.25))],
        is_quick: true,
        play: |stage| throughput::requests(stage, &stage.servers.get(SMALL)),
    },
    Work {
        name: "get-10k",
        words: "GET, 10 KiB",
        unit: REQUESTS,
        better: Better::More,
        subject: OWN,
        goals: &[(NGINX, Goal::AtLeast(1.25)), (HAPROXY, Goal::AtLeast(1.25))],
        is_quick: true,
        play: |stage| throughput::requests(stage, &stage.servers.get(10 << 10)),
    },
    Work {
        name: "get-1m",
        words: "GET, 1 MiB",
        unit: BYTES,
        better: Better::More,
        subject: OWN,
        goals: &[(NGINX, Goal::AtLeast(2.00)), (HAPROXY, Goal::AtLeast(1.60))],
        is_quick: true,
        play: |stage| throughput::mebibytes(stage, &stage.servers.get(1 << 20), 1),
    },
    Work {
        name: "post-1m",
        words: "POST, 1 MiB",
        unit: BYTES,
        better: Better::More,
        subject: OWN,
        goals: &[(NGINX, Goal::AtLeast(2.00)), (HAPROXY, Goal::AtLeast(1.60))],
        is_quick: false,
        play: |stage| throughput::mebibytes(stage, &stage.servers.post(1 << 20, false), 1),
    },
    Work {
        name: "post-1k",
        words: "POST, 1 KiB, answered with 1 KiB",
        unit: REQUESTS,
        better: Better::More,
        subject: OWN,
        goals: &[(NGINX, Goal::AtLeast(1.25)), (HAPROXY, Goal::AtLeast(1.25))],
        is_quick: true,
        play: |stage| throughput::requests(stage, &stage.servers.post(1 << 10, true)),
    },
    Work {
        name: "fresh",
        words: "GET, 60 bytes, each on a new connection",
        unit: REQUESTS,
        better: Better::More,
        subject: OWN,
        goals: &[(NGINX, Goal::AtLeast(1.40)), (HAPROXY, Goal::AtLeast(1.40))],
        is_quick: false,
        play: |stage| throughput::requests(stage, &stage.servers.get(SMALL).fresh()),
    },
    Work {
        name: "single",
        words: "GET, 60 bytes, one connection",
        unit: REQUESTS,
        better: Better::More,
        subject: OWN,
        goals: &[],
        is_quick: false,
        play: |stage| throughput::requests(stage, &stage.servers.get(SMALL).at_once(1)),
    },
    Work {
        name: "p99",
        words: "GET, 60 bytes, at a quarter of the slowest's capacity",
        unit: "p99 in milliseconds, the lower quartile of rounds",
        better: Better::Less,
        subject: OWN,
        goals: &[(NGINX, Goal::AtMost(0.90)), (HAPROXY, Goal::AtMost(0.90))],
        is_quick: false,
        play: latency::p99,
    },
    Work {
        name: "idle",
        words: "a client connected and idle",
        unit: "bytes of resident memory",
        better: Better::Less,
        subject: OWN,
        goals: &[(NGINX, Goal::AtMost(2.00)), (HAPROXY, Goal::AtMost(1.00))],
        is_quick: false,
        play: memory::idle,
    },
    Work {
        name: "pick",
        words: "one endpoint of 1,000 picked",
        unit: "nanoseconds",
        better: Better::Less,
        subject: OWN,
        goals: &[],
        is_quick: false,
        play: pick::of_a_thousand,
    },
    Work {
        name: "floor",
        words: "GET, 60 bytes, by a loop that only passes bytes on",
        unit: REQUESTS,
        better: Better::More,
        subject: floor::BARE,
        goals: &[],
        is_quick: false,
        play: floor::floor,
    },
    Work {
        name: "digest-1k",
        words: "GET, 1 KiB, its digest verified",
        unit: REQUESTS,
        better: Better::More,
        subject: digest::ENFORCE,
        goals: &[(digest::OFF, Goal::AtLeast(0.95))],
        is_quick: false,
        play: |stage| digest::bodies(stage, 1 << 10, 1),
    },
    Work {
        name: "digest-64k",
        words: "GET, 64 KiB, its digest verified",
        unit: REQUESTS,
        better: Better::More,
        subject: digest::ENFORCE,
        goals: &[],
        is_quick: false,
        play: |stage| digest::bodies(stage, 64 << 10, 1),
    },
    Work {
        name: "digest-10m",
        words: "GET, 10 MiB, its digest verified",
        unit: BYTES,
        better: Better::More,
        subject: digest::ENFORCE,
        goals: &[],
        is_quick: false,
        play: |stage| digest::bodies(stage, 10 << 20, 10),
    },
    Work {
        name: "workers",
        words: "GET, 60 bytes, by one worker and by two",
        unit: REQUESTS,
        better: Better::More,
        subject: workers::TWO,
        goals: &[(workers::ONE, Goal::AtLeast(0.95))],
        is_quick: false,
        play: workers::one_and_two,
    },
    Work {
        name: "watched",
        words: "GET, 60 bytes, page open, metrics scraped, access log on",
        unit: REQUESTS,
        better: Better::More,
        subject: watched::WATCHED,
        goals: &[(watched::UNSEEN, Goal::AtLeast(0.95))],
        is_quick: false,
        play: watched::watched,
    },
    Work {
        name: "tls-get",
        words: "GET, 60 bytes, over TLS",
        unit: REQUESTS,
        better: Better::More,
        subject: OWN,
        goals: &[],
        is_quick: false,
        play: |stage| tls::requests(stage, SMALL, 1),
    },
    Work {
        name: "tls-1m",
        words: "GET, 1 MiB, over TLS",
        unit: BYTES,
        better: Better::More,
        subject: OWN,
        goals: &[(NGINX, Goal::AtLeast(1.00)), (HAPROXY, Goal::AtLeast(1.00))],
        is_quick: false,
        play: |stage| tls::requests(stage, 1 << 20, 1),
    },
    Work {
        name: "tls-full",
        words: "a TLS handshake, whole",
        unit: HANDSHAKES,
        better: Better::More,
        subject: OWN,
        goals: &[],
        is_quick: false,
        play: |stage| tls::handshakes(stage, Mode::Whole),
    },
    Work {
        name: "tls-resumed",
        words: "a TLS handshake, resumed",
        unit: HANDSHAKES,
        better: Better::More,
        subject: OWN,
        goals: &[],
        is_quick: false,
        play: |stage| tls::handshakes(stage, Mode::Resumed),
    },
    Work {
        name: "tls-idle",
        words: "a client connected over TLS and idle",
        unit: "bytes of resident memory",
        better: Better::Less,
        subject: OWN,
        goals: &[],
        is_quick: false,
        play: tls::idle,
    },
];

/// All rows for `--help`.
pub(crate) fn list() -> String {
    let rows = ALL.iter().map(|work| format!("  {:<12} {}\n", work.name, work.words));
    format!("Rows:\n{}", rows.collect::<String>())
}
