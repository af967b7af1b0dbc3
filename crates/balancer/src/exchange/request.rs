//! A request as the balancer needs to know it once its head has been rewritten for servers: the received head is gone
//! from the buffer by then.

use std::ops::Range;

use evenkeel_message::{Framing, Method, Refusal, RequestHead, RequestRewrite, request_id, rewrite};
use evenkeel_upstream::attempt::{Affinity, Plan, Repeat};
use evenkeel_upstream::{Author, Kind, PolicySettings, Want};

use super::caller::Caller;
use super::intake::{is_gathered, too_large};
use super::scratch::Scratch;
use crate::context::Worker;
use crate::servers::groups::Way;
use crate::servers::kind;

/// The facts of one request.
#[expect(clippy::struct_excessive_bools, reason = "independent facts of a message, not states of a machine")]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// The one protocol that it may change to.
    pub(crate) upgrade: Option<Box<str>>,
    /// Its client waits for a 100 before it sends the body.
    pub(crate) expects_continue: bool,
    /// Where in the rewritten head the digit of X-Attempt stands.
    pub(crate) attempt_at: usize,
    /// Whether the whole body is read before an endpoint is chosen.
    pub(crate) gathered: bool,
    /// What it asks of a pick: where it belongs.
    pub(crate) want: Want,
    /// The server may take its connection for this user's from here on.
    pub(crate) binds_connection: bool,
    /// It could be asked twice, and nobody would be the wiser: it has no body, changes no protocol, depends on no connection.
    plain: bool,
    /// What is usual for it is known under this.
    pub(crate) kind: Kind,
    /// Whose it is, where something has to be laid to somebody's account.
    pub(crate) author: Author,
    repeat: Repeat,
    affinity: Affinity,
    /// It goes no further than here: OPTIONS with `Max-Forwards: 0`.
    answered_here: bool,
    /// Where in the rewritten head its id stands.
    pub(crate) id: Range<usize>,
}

/// How many hexadecimal digits a request id made here has: 128 bits.
pub(super) const ID_DIGITS: usize = 32;

impl Request {
    /// Checks the head against the limits, and writes the head for servers into the scratch space. The received one is not
    /// needed any more.
    pub(crate) fn prepare<C: Caller>(
        way: &Way<'_>,
        caller: &mut C,
        scratch: &mut Scratch,
    ) -> Result<Self, Refusal> {
        let (group, prefix) = (way.group, way.prefix());
        let (worker, settings) = (&group.worker, group.settings());
        let Scratch { request, upload, account, .. } = scratch;
        let is_bound = caller.bound().is_some();
        let (head, input) = caller.asked();
        if matches!(head.framing(), Framing::Length(length) if length > settings.max_body) {
            return Err(too_large());
        }
        let mut made = [0; ID_DIGITS];
        let id = id_of(head, input, worker, &mut made);
        let upgrade = head.upgrade(input).and_then(|asked| settings.upgrades.first_of(asked));
        let origin = worker.settings().trusted.origin(caller.peer().ip(), caller.scheme(), head, input);
        let how = RequestRewrite {
            origin,
            local: caller.local(),
            via: &worker.settings().name,
            request_id: id,
            prefix,
            upgrade,
            runs: worker.settings().runs,
            client_cert: caller.client_cert(),
            rules: worker.settings().rules.requests.as_ref(),
        };
        request.clear();
        let rewritten = rewrite(head, input, &how, request)?;
        let gathered = is_gathered(rewritten.framing, head.expects_continue(), settings.keep);
        let has_body = !matches!(rewritten.framing, Framing::Empty | Framing::Length(0));
        if upgrade.is_some() && has_body && !gathered {
            // What the client sends after its 101 would have to be told from the rest of its body.
            return Err(Refusal::new(
                400,
                "A request to change the protocol cannot have a body of this size or coding.",
            ));
        }
        let keyed = settings.retry_keyed && head.field(input, "idempotency-key").is_some();
        let address = origin.client();
        account.client = Some(address);
        let hashes = matches!(settings.rules.policy, PolicySettings::ConsistentHash(_));
        let key = hashes.then(|| settings.hash_key.key(head, input, address)).flatten();
        let pin = settings.sticky.as_ref().and_then(|sticky| sticky.pin(head, input));
        let keeps = |pin| group.picker.borrow_mut().keeps(pin);
        let affinity = match (pin, key) {
            (Some(pin), _) if keeps(pin) => Affinity::Session,
            (_, Some(_)) => Affinity::Cache,
            _ => Affinity::None,
        };
        let want = Want { key, pin, ..Want::default() };
        let needs_connection = head.binds_connection() || is_bound;
        let prepared = Self {
            want,
            method: head.method(),
            upgrade: upgrade.map(Box::from),
            expects_continue: head.expects_continue(),
            attempt_at: rewritten.attempt_at,
            gathered,
            binds_connection: head.binds_connection(),
            plain: !has_body && upgrade.is_none() && !needs_connection,
            kind: kind::of(head.method_bytes(input), &head.path_and_query(input)),
            author: Author::at(address),
            // On another connection it would not be the same user's.
            repeat: if needs_connection { Repeat::Never } else { settings.repeat.of(head.method(), keyed) },
            affinity,
            answered_here: head.max_forwards() == Some(0),
            id: rewritten.request_id,
        };
        upload.begin(request.len(), rewritten.framing, settings.keep);
        caller.head_taken();
        Ok(prepared)
    }

    /// What may be done with it.
    pub(crate) fn plan(&self) -> Plan {
        let hedgeable = self.plain && self.repeat == Repeat::Freely;
        Plan { repeat: self.repeat, hedgeable, replayable: true, affinity: self.affinity }
    }

    /// Whether it could not be sent again: with more care on which connection it goes.
    pub(crate) fn goes_once(&self) -> bool {
        self.repeat == Repeat::Never
    }

    /// Whether it may be the trial of an endpoint on probation: if it fails, nobody notices.
    pub(crate) fn may_be_trial(&self) -> bool {
        self.plain && self.method == Method::Get && self.repeat == Repeat::Freely
    }

    /// Whether it goes no further than here (OPTIONS with `Max-Forwards: 0`).
    pub(crate) fn is_answered_here(&self) -> bool {
        self.answered_here
    }
}

/// The id of a request: its own where that is sane, else one that is made.
pub(super) fn id_of<'a>(
    head: &RequestHead,
    input: &'a [u8],
    worker: &Worker,
    made: &'a mut [u8; ID_DIGITS],
) -> &'a [u8] {
    match head.request_id(input) {
        Some(id) if request_id::is_sane(id) => id,
        _ => {
            make_id(made, &mut worker.random.borrow_mut());
            made
        }
    }
}

fn make_id(id: &mut [u8; ID_DIGITS], random: &mut fastrand::Rng) {
    let (digits, _) = id.as_chunks_mut();
    for pair in digits.chunks_exact_mut(2) {
        let bits = random.u64(..);
        pair[0] = hexadecimal(bits as u32);
        pair[1] = hexadecimal((bits >> 32) as u32);
    }
}

/// The eight digits of a number, the lowest one first, each made in a byte of its own beside the others.
fn hexadecimal(bits: u32) -> [u8; 8] {
    const EACH: u64 = u64::MAX / 255;
    // Half of what each piece holds moves to the piece above it: 16 bits, 8, and at last 4.
    let mut digits = u64::from(bits);
    digits = (digits | digits << 16) & 0x0000_ffff_0000_ffff;
    digits = (digits | digits << 8) & 0x00ff_00ff_00ff_00ff;
    digits = (digits | digits << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // 1 in each that is a letter: what separates those from the digits before them.
    let letters = (digits + EACH * 6) >> 4 & EACH;
    (digits + EACH * u64::from(b'0') + letters * u64::from(b'a' - b'9' - 1)).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_ids_are_sane_and_differ() {
        let mut random = fastrand::Rng::with_seed(7);
        let (mut one, mut other) = ([0; ID_DIGITS], [0; ID_DIGITS]);
        make_id(&mut one, &mut random);
        make_id(&mut other, &mut random);
        assert!(request_id::is_sane(&one));
        assert_ne!(one, other);
    }

    #[test]
    fn each_digit_is_written_as_it_is() {
        for bits in [0, 0x0123_4567, 0x89ab_cdef, 0xffff_ffff, 0xfedc_ba98, 0x9a9a_a9a9] {
            let written: Vec<u8> = hexadecimal(bits).into_iter().rev().collect();
            assert_eq!(String::from_utf8(written).unwrap(), format!("{bits:08x}"));
        }
    }
}
