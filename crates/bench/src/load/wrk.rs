//! wrk: one thread, as many connections as wanted, what it counted as a line of numbers.

use super::{Done, Duration, Path, Request, Result, SocketAddr, Stage, finish, fs, pinned};

/// Before the line that counts.
const MARK: &str = "counted";

pub(super) fn closed(
    stage: &Stage,
    wrk: &Path,
    cores: &str,
    address: SocketAddr,
    request: &Request,
    length: Duration,
) -> Result<Done> {
    let script = stage.scratch().join("load.lua");
    fs::write(&script, lua(request))?;
    let mut command = pinned(cores, wrk);
    command
        .args(["--threads", "1", "--connections", &request.connections(stage).to_string()])
        .args(["--duration", &format!("{}s", length.as_secs().max(1))])
        .args(["--timeout", "10s"])
        .arg("--script")
        .arg(&script)
        .arg(format!("http://{address}{}", request.path));
    read(&finish(&mut command)?)
}

/// What wrk shall send, and say at the end.
fn lua(request: &Request) -> String {
    let method = format!("wrk.method = \"{}\"\n", request.method());
    let body = match request.body {
        0 => String::new(),
        length => format!("wrk.body = string.rep(\"x\", {length})\n"),
    };
    let close = if request.fresh { "wrk.headers[\"Connection\"] = \"close\"\n" } else { "" };
    format!(
        "{method}{body}{close}done = function(all)\n  local e = all.errors\n  \
         io.write(string.format(\"\\n{MARK} %d %d %d %d %d %d %d\\n\", all.requests, all.duration, \
         e.connect, e.read, e.write, e.timeout, e.status))\nend\n"
    )
}

fn read(said: &str) -> Result<Done> {
    let line = said.lines().find_map(|line| line.strip_prefix(MARK)).ok_or("wrk has counted nothing")?;
    let numbers: Vec<u64> = line.split_whitespace().map_while(|number| number.parse().ok()).collect();
    let &[requests, microseconds, connect, read, write, timeout, status] = numbers.as_slice() else {
        return Err(format!("wrk has counted something else:{line}").into());
    };
    if connect + read + write + timeout + status > 0 {
        let words = format!(
            "of {requests} requests {status} were answered with a status from 400; connect {connect}, read {read}, \
             write {write}, timeout {timeout} errors of sockets"
        );
        return Err(words.into());
    }
    Ok(Done { requests, per_second: requests as f64 * 1e6 / microseconds.max(1) as f64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_and_every_error_spoils_them() {
        let done = read("Running …\n\ncounted 5000 2000000 0 0 0 0 0\n").unwrap();
        assert_eq!(done, Done { requests: 5000, per_second: 2500.0 });
        for position in 2..7 {
            let mut numbers = [5000, 2_000_000, 0, 0, 0, 0, 0];
            numbers[position] = 1;
            let line = numbers.map(|number: u64| number.to_string()).join(" ");
            assert!(read(&format!("counted {line}\n")).is_err(), "{line}");
        }
        assert!(read("Running …\n").is_err());
    }

    #[test]
    fn a_request_with_a_body_is_a_post() {
        let request = Request { body: 1024, ..Request::get("/").fresh() };
        let script = lua(&request);
        assert!(script.contains("wrk.method = \"POST\"") && script.contains("1024"), "{script}");
        assert!(script.contains("\"close\""), "{script}");
        assert!(!lua(&Request::get("/")).contains("body"));
    }
}
