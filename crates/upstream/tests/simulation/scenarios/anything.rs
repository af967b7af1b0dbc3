//! Everything at any time, with all that is optional switched on.

use evenkeel_upstream::AdmissionSettings;

use super::*;

fn everything(settings: &mut Settings) {
    sessions::sticky(settings);
    settings.slow_start = Some(5 * SECOND);
    settings.admission = AdmissionSettings { per_endpoint: 16, queue: 8, queue_timeout: SECOND };
}

#[test]
fn anything_happens_at_any_time() {
    play_with("anything_happens_at_any_time", everything, |set| {
        let mut chance = set.chance();
        for _ in 0..60 {
            let server = chance.usize(0..set.servers.len());
            match chance.u32(0..15) {
                0 => set.kill(server),
                1 => set.set_state(server, State::Frozen),
                2 => set.set_state(server, State::Gone),
                3 => set.set_state(server, State::Refusing),
                4 => set.set_state(server, State::Leaving),
                5 => set.servers[server].status = if chance.bool() { 500 } else { 503 },
                6 => set.servers[server].latency = MS * chance.u32(1..1_000),
                7 => {
                    let mut percent = || chance.u32(0..20);
                    let (corrupt, truncate, reset, stall) = (percent(), percent(), percent(), percent());
                    set.servers[server].faults = Faults { corrupt, truncate, reset, stall };
                }
                8 => set.servers[server].listed = !set.servers[server].listed,
                9 => set.rate = chance.u32(20..200),
                10 | 11 => set.order(server, Command::Drain),
                12 => set.order(server, Command::Activate),
                13 => set.order(server, Command::Weight(Weight::new(chance.u16(1..9)).expect("a weight"))),
                _ if set.servers.len() < 8 => {
                    let number = set.servers.len() as u8;
                    set.servers.push(if chance.bool() { Server::new(number) } else { Server::spare(number) });
                }
                _ => {}
            }
            set.run(MS * chance.u32(10..2_000));
            let server = chance.usize(0..set.servers.len());
            set.recover(server);
        }
        (0..set.servers.len()).for_each(|server| set.recover(server));
        set.rate = 100;
        set.run(140 * SECOND);
        assert!((0..set.servers.len()).all(|server| set.serves(server)), "all are well again");
        set.nobody_starves();
    });
}

impl Simulation {
    fn recover(&mut self, server: usize) {
        let well = Server::new(server as u8);
        self.set_state(server, State::Up);
        let Server { backup, incarnation, .. } = self.servers[server];
        self.servers[server] = Server { backup, incarnation, ..well };
        self.order(server, Command::Activate);
        self.order(server, Command::Weight(Weight::ONE));
    }
}
