//! Two balancers on the port of a holder, of which one after the other is replaced.

use evenkeel_stage::{Compose, Load, docker};

use crate::A_WHILE;

const SET: &[&str] = &["docker-compose.holder.yml"];

const BALANCERS: [&str; 2] = ["first", "second"];

/// Of each kind of client: those that keep their connection, and those that come anew for every request.
const CLIENTS: usize = 16;

#[test]
fn replacing_both_balancers_refuses_and_loses_nothing() {
    let compose = Compose::up(SET, &[]);
    let authorization = compose.authorization();
    let authorized = ("Authorization", authorization.as_str());
    let start = |fields| Load::start(compose.balancer(), CLIENTS, "/", fields);
    let loads = [start(&[authorized]), start(&[authorized, ("Connection", "close")])];
    let go_on = || loads.iter().for_each(|load| load.wait_for_more(A_WHILE / 2));
    go_on();
    let holder = compose.containers("holder");
    // Without it whoever has connected and is not accepted yet goes down with the listener.
    let sysctls = docker(&["inspect", "--format", "{{.HostConfig.Sysctls}}", &holder[0]]);
    assert_eq!(sysctls, "map[net.ipv4.tcp_migrate_req:1]");
    for balancer in BALANCERS {
        let old = compose.containers(balancer);
        compose.run(&["up", "--detach", "--no-build", "--no-deps", "--force-recreate", "--wait", balancer]);
        let new = compose.containers(balancer);
        assert!(old.len() == 1 && new.len() == 1 && old != new, "{old:?} and {new:?}");
        go_on();
    }
    assert_eq!(compose.containers("holder"), holder);
    for load in loads {
        load.stop().assert_nothing_failed();
    }
}
