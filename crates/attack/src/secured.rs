//! Attacks over TLS: handshakes that are not gone on with, that are made for nothing, or that offer what nobody takes; and
//! readers that hardly read.

use std::{
    io::{self, Read as _, Write as _},
    sync::atomic::Ordering::Relaxed,
    time::Duration,
};

use evenkeel_stage::{Renegotiation, Stream, Tls};

use crate::{
    Result,
    attacks::SILENCE,
    crowd::{Field, Held, is_open, narrow, open},
    pass,
    peer::LARGE,
    set::NAME,
};

/// How many shake hands at once.
const THREADS: u64 = 4;

pub(crate) fn half_open(field: &Field) -> Result<u64> {
    let hello = hello(NONE, &[]);
    field.hold_until_ended(&Held { count: 1000, first: &hello[..hello.len() - 1], more: SILENCE })
}

/// A message of 512 bytes is announced; it would take 50 seconds.
pub(crate) fn slow_hellos(field: &Field) -> Result<u64> {
    let first = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    field.hold_until_ended(&Held { count: 500, first, more: (b"\0", Duration::from_millis(100)) })
}

/// One half goes in the middle of its hello, the other when the balancer has signed for it.
pub(crate) fn truncated(field: &Field) -> Result<u64> {
    let hello = hello(NONE, &[]);
    field.again(THREADS, |number| {
        let mut connection = open(field.traffic)?;
        if number % 2 == 0 {
            return connection.write_all(&hello[..number as usize % hello.len()]);
        }
        connection.write_all(&hello)?;
        connection.read_exact(&mut [0])
    })
}

/// A message of nearly the 64 KiB that one may have, in records of 1 KiB, of which the last byte does not come.
pub(crate) fn large_hellos(field: &Field) -> Result<u64> {
    let padding = vec![0; 60 << 10];
    let hello = in_records(&hello(NONE, &[(PADDING, &padding)]), 1 << 10);
    field.hold_until_ended(&Held { count: 500, first: &hello[..hello.len() - 1], more: SILENCE })
}

/// Crowds that ask again and again, whatever they are told. What is not ended for it counts as spared.
pub(crate) fn renegotiation(field: &Field) -> Result<u64> {
    const CROWD: u64 = 250;
    const ASKED: usize = 20;
    let tls = Tls::that_tells_its_keys(&field.authority, NAME)?;
    let crowds = field.again(THREADS, |_| {
        let mut crowd = Vec::with_capacity(CROWD as usize);
        for _ in 0..CROWD {
            crowd.push(Renegotiation::over(open(field.traffic)?, &tls)?);
        }
        for _ in 0..ASKED {
            for client in &mut crowd {
                // It may have been ended for the last time.
                let _ = client.ask();
            }
        }
        let spared = crowd.iter_mut().filter_map(|client| (!client.is_ended()).then_some(1)).sum();
        field.spared.fetch_add(spared, Relaxed);
        Ok(())
    })?;
    Ok(crowds * CROWD)
}

/// Nobody resumes what another one has begun.
pub(crate) fn full(field: &Field) -> Result<u64> {
    field.again(THREADS, |_| {
        let tls = Tls::new(&field.authority, NAME)?;
        Stream::over(open(field.traffic)?, Some(&tls)).map(drop)
    })
}

/// What is not ended for it counts as spared.
pub(crate) fn offers(field: &Field) -> Result<u64> {
    let mut early =
        hello(NONE, &[(PSK_MODES, b"\x01\x01"), (EARLY_DATA, b""), (PRE_SHARED_KEY, &stranger())]);
    for _ in 0..4 {
        early.extend_from_slice(b"\x17\x03\x03\x40\x00");
        early.resize(early.len() + (16 << 10), b'x');
    }
    let offers = [hello(DEFLATE, &[]), early];
    field.again(THREADS, |number| {
        let mut connection = open(field.traffic)?;
        // It may be refused before all of it is out.
        let _ = connection.write_all(&offers[number as usize % offers.len()]);
        let ended = io::copy(&mut connection, &mut io::sink());
        if ended.is_err_and(|error| error.kind() != io::ErrorKind::ConnectionReset) {
            field.spared.fetch_add(1, Relaxed);
        }
        Ok(())
    })
}

/// What they read need not be decrypted.
pub(crate) fn slow_readers(field: &Field) -> Result<u64> {
    const COUNT: usize = 200;
    let tls = Tls::new(&field.authority, NAME)?;
    let mut readers = Vec::with_capacity(COUNT);
    while readers.len() < COUNT && !field.is_over() {
        let mut reader = Stream::over(narrow(field.traffic)?, Some(&tls))?;
        reader.write_all(format!("GET {LARGE} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes())?;
        let Stream::Secured(reader) = reader else { return Err("it is not over TLS".into()) };
        reader.sock.set_nonblocking(true)?;
        readers.push(reader.sock);
    }
    while !field.is_over() {
        pass(Duration::from_millis(100).min(field.left()));
        for reader in &mut readers {
            let _ = reader.read(&mut [0; 1 << 10]);
        }
    }
    let open = readers.iter_mut().filter_map(|reader| is_open(reader).then_some(1)).sum();
    field.spared.fetch_add(open, Relaxed);
    Ok(readers.len() as u64)
}

/// Methods of compression (RFC 3749).
const NONE: &[u8] = &[0];
const DEFLATE: &[u8] = &[1];

/// Extensions (RFC 8446 §4.2).
const SUPPORTED_GROUPS: u16 = 10;
const SIGNATURE_ALGORITHMS: u16 = 13;
const PADDING: u16 = 21;
const PRE_SHARED_KEY: u16 = 41;
const EARLY_DATA: u16 = 42;
const SUPPORTED_VERSIONS: u16 = 43;
const PSK_MODES: u16 = 45;
const KEY_SHARE: u16 = 51;

/// A `ClientHello` of TLS 1.3 in a record of its own (RFC 8446 §4.1.2), which is in order but for these.
fn hello(compression: &[u8], more: &[(u16, &[u8])]) -> Vec<u8> {
    let mut share = b"\0\x24\0\x1d\0\x20".to_vec();
    share.resize(share.len() + 32, 9);
    let mut extensions = Vec::new();
    let usual: [(u16, &[u8]); 4] = [
        (SUPPORTED_VERSIONS, b"\x02\x03\x04"),
        (SUPPORTED_GROUPS, b"\0\x02\0\x1d"),
        (SIGNATURE_ALGORITHMS, b"\0\x02\x04\x03"),
        (KEY_SHARE, &share),
    ];
    for (kind, content) in usual.iter().chain(more) {
        extensions.extend_from_slice(&kind.to_be_bytes());
        extensions.extend(counted(content));
    }
    let mut body = b"\x03\x03".to_vec();
    body.resize(body.len() + 32, b'r');
    // No session; one suite, TLS_AES_128_GCM_SHA256.
    body.extend_from_slice(b"\0\0\x02\x13\x01");
    body.push(compression.len() as u8);
    body.extend_from_slice(compression);
    body.extend(counted(&extensions));
    let message = [b"\x01\0", &counted(&body)[..]].concat();
    [b"\x16\x03\x01", &counted(&message)[..]].concat()
}

/// What stands in this record, in records of so many bytes.
fn in_records(record: &[u8], length: usize) -> Vec<u8> {
    let mut records = Vec::new();
    for piece in record[5..].chunks(length) {
        records.extend_from_slice(&record[..3]);
        records.extend(counted(piece));
    }
    records
}

/// A ticket that nobody has given, and what should prove that it is the client's.
fn stranger() -> Vec<u8> {
    let identity = [counted(&[b't'; 64]), vec![0; 4]].concat();
    let binder = [&[32][..], &[b'b'; 32]].concat();
    [counted(&identity), counted(&binder)].concat()
}

/// With its length, in two bytes, before it.
fn counted(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_is_as_long_as_it_says() {
        for hello in [hello(NONE, &[]), hello(DEFLATE, &[(EARLY_DATA, b""), (PRE_SHARED_KEY, &stranger())])] {
            let said = |at: usize| usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
            assert_eq!((said(3), said(7)), (hello.len() - 5, hello.len() - 9));
        }
    }

    #[test]
    fn a_hello_in_records_is_the_same_in_pieces() {
        let whole = hello(NONE, &[]);
        let records = in_records(&whole, 50);
        assert_eq!(records[..5], *b"\x16\x03\x01\0\x32");
        let content: Vec<_> = records.chunks(55).flat_map(|record| &record[5..]).copied().collect();
        assert_eq!(content, whole[5..]);
    }
}
