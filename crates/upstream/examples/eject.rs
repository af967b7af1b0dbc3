//! A pick and an ejection: three servers, of which one refuses connections.
//!
//! `cargo run -p evenkeel-upstream --example eject`. Nothing here waits: time is a value that this file moves on.

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use evenkeel_upstream::{
    ConnectFailure, Control, Evidence, Outcome, Picker, ProbeResult, Response, Settings, Tried, Upstream,
    Want,
};

/// How long a request takes in this world.
const STEP: Duration = Duration::from_millis(10);

fn main() {
    #[expect(clippy::disallowed_methods, reason = "any moment does as the beginning of a virtual clock")]
    let mut now = Instant::now();
    let mut rng = fastrand::Rng::with_seed(7);
    let spec = "server:8080".parse().expect("a name and a port");
    let (upstream, mut control) = Upstream::new(spec, Settings::default(), now);

    // The shell looks names up and probes; here both went well.
    let addresses = [1, 2, 3].map(|host| SocketAddr::from(([10, 0, 0, host], 8080)));
    control.resolved(0, Ok(&addresses), now);
    for address in addresses {
        let id = control.find(address).expect("it was just found");
        control.probed(id, ProbeResult::Passed, STEP, now);
    }

    // Twenty requests. The second server refuses; the first to be told is the control, which judges.
    let mut picker = Picker::new(&upstream);
    let mut served = [0; 3];
    for request in 0..20 {
        now += STEP;
        let found = picker.pick(&Want::default(), &Tried::default(), &mut || rng.u64(..), now);
        let mut lease = found.expect("two of three are well");
        let (id, address) = (lease.endpoint().id(), lease.endpoint().address());
        if address == addresses[1] {
            println!("request {request}: {address} refuses");
            lease.finish(Outcome::Failure, now);
            control.evidence(id, Evidence::ConnectFailed(ConnectFailure::Refused), now);
        } else {
            lease.head_received(Response::Good, STEP, now);
            lease.finish(Outcome::Success, now);
            served[addresses.iter().position(|known| *known == address).expect("one of the three")] += 1;
        }
        tell(&mut control);
    }
    println!("served: {served:?}");
    assert!(served[0] > 0 && served[2] > 0, "the other two go on");
}

/// Shows what has changed: ejections, returns, members that come and go.
fn tell(control: &mut Control) {
    control.take_changes().for_each(|change| println!("  {}: {}", change.address, change.news.name()));
}
