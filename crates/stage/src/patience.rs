//! Waiting for what has to come, and failing where it does not: no test and no tool waits for ever.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// The longest wait for anything that has to come. Machines are busy; whatever fails this late fails.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Waits for a child's end. Panics where it does not end.
pub fn ended(child: &mut Child) -> ExitStatus {
    // One that was waited for already has no process any more.
    if let Some(status) = child.try_wait().expect("a child can be waited for") {
        return status;
    }
    let process = pidfd_open(Pid::from_child(child), PidfdFlags::empty());
    let process = process.expect("it is there until it is waited for");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).expect("a minute fits");
        match poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&left)) {
            Ok(1..) => return child.wait().expect("a child can be waited for"),
            Err(Errno::INTR) => {}
            Ok(0) => {
                // The error says that it has ended just now.
                let _ = child.kill();
                panic!("process {} does not end", child.id());
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Runs a command to its end: its status, and all that it printed. Panics where it does not end.
pub fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .unwrap_or_else(|error| panic!("{} cannot be run: {error}", command.get_program().display()));
    finished(&mut child)
}

/// Waits for the end of a child and reads what is left of its pipes meanwhile.
pub fn finished(child: &mut Child) -> Output {
    let readers = [child.stdout.take().map(read_all), child.stderr.take().map(read_all)];
    let status = ended(child);
    // A pipe that somebody else holds open has no end.
    let [stdout, stderr] = readers.map(|reader| {
        reader
            .map(|reader| reader.recv_timeout(PATIENCE).expect("its output ends with it"))
            .unwrap_or_default()
    });
    Output { status, stdout, stderr }
}

fn read_all(mut from: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut all = Vec::new();
        // What came before an error is worth having.
        let _ = from.read_to_end(&mut all);
        sender.send(all)
    });
    receiver
}

/// The lines of a pipe, read as they come, so that it never fills up.
#[derive(Debug)]
pub struct Lines {
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Lines {
    /// Reads from now on.
    pub fn of(from: impl Read + Send + 'static) -> Self {
        let (sender, lines) = channel();
        let mut from = BufReader::new(from).lines();
        // Goes on where nobody listens any more: the writer must not block.
        thread::spawn(move || from.by_ref().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        Self { lines, seen: Vec::new() }
    }

    /// Waits for the next line that contains `part`. Panics with what came instead where none does.
    pub fn wait_for(&mut self, part: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|error| {
                panic!("no line with {part:?}, {error}; after:\n{}", self.seen.join("\n"))
            });
            self.seen.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
    }
}

/// Asks again and again until the answer is there. Panics where it does not come.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "it never came true that {what}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_command_is_waited_for_with_all_that_it_printed() {
        // More than a pipe holds.
        let ran = output(&mut shell("head -c 300000 /dev/zero; echo bad >&2; exit 3"));
        assert_eq!((ran.status.code(), ran.stdout.len()), (Some(3), 300_000));
        assert_eq!(ran.stderr, b"bad\n");
    }

    #[test]
    fn a_child_that_was_waited_for_has_ended() {
        let mut child = shell("exit 4").spawn().unwrap();
        assert_eq!([ended(&mut child).code(), ended(&mut child).code()], [Some(4); 2]);
    }

    #[test]
    fn a_line_is_waited_for_and_those_before_it_are_passed() {
        let mut lines = Lines::of(&b"one\ntwo\nthree\n"[..]);
        assert_eq!(lines.wait_for("wo"), "two");
        assert_eq!(lines.wait_for("three"), "three");
    }

    #[test]
    #[should_panic(expected = "after:\none\ntwo")]
    fn a_line_that_does_not_come_is_told_with_what_came() {
        Lines::of(&b"one\ntwo\n"[..]).wait_for("three");
    }
}
