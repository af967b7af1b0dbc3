//! Tickets by which clients go on from an earlier handshake, and those that are taken back.
//!
//! A ticket brings back whom that handshake has verified. Where it turns out that a certificate holds no longer, the tickets that
//! came of it are refused from then on, and its client shakes hands anew; everybody else's are as good as before.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::ProducesTickets;

/// The most certificates whose tickets are taken back; one more needs a new key, which takes back everybody's.
const MOST: usize = 64;

#[derive(Debug)]
pub(super) struct Tickets {
    sealed: Arc<dyn ProducesTickets>,
    /// Certificates in DER, as sessions contain them.
    taken_back: RwLock<Vec<Vec<u8>>>,
}

impl Tickets {
    pub(super) fn new(sealed: Arc<dyn ProducesTickets>) -> Self {
        Self { sealed, taken_back: RwLock::default() }
    }

    /// Takes back the tickets of whoever has shown this certificate. False where there are too many such already.
    pub(super) fn take_back(&self, certificate: &[u8]) -> bool {
        let mut taken_back = self.taken_back.write().unwrap_or_else(PoisonError::into_inner);
        if taken_back.iter().any(|one| one == certificate) {
            return true;
        }
        if taken_back.len() == MOST {
            return false;
        }
        taken_back.push(certificate.to_vec());
        true
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        self.sealed.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.sealed.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.sealed.encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let plain = self.sealed.decrypt(cipher)?;
        let taken_back = self.taken_back.read().unwrap_or_else(PoisonError::into_inner);
        let is_of = |certificate: &Vec<u8>| memchr::memmem::find(&plain, certificate).is_some();
        (!taken_back.iter().any(is_of)).then_some(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_of_one_certificate_are_taken_back_and_no_others() {
        let tickets = Tickets::new(rustls::crypto::aws_lc_rs::Ticketer::new().unwrap());
        let of =
            |name: &str| tickets.encrypt(format!("a session of {name} that goes on").as_bytes()).unwrap();
        let (anna, berta) = (of("anna"), of("berta"));
        assert!(tickets.take_back(b"anna") && tickets.take_back(b"anna"));
        assert_eq!(tickets.decrypt(&anna), None);
        assert!(tickets.decrypt(&berta).is_some() && tickets.decrypt(&of("anna")).is_none());
        for other in 1..MOST {
            assert!(tickets.take_back(format!("{other:09}").as_bytes()));
        }
        assert!(!tickets.take_back(b"berta"), "a new key is needed");
        assert!(tickets.take_back(b"anna"));
    }
}
