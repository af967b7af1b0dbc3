//! Numbers, addresses and field lines as text, appended without allocation; and lists taken apart again.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};

/// Appends `number` in decimal.
pub fn decimal(number: u64, out: &mut Vec<u8>) {
    let digit = |place: u64| b'0' + (number / place % 10) as u8;
    match number {
        0..10 => out.push(digit(1)),
        10..100 => out.extend_from_slice(&[digit(10), digit(1)]),
        100..1000 => out.extend_from_slice(&[digit(100), digit(10), digit(1)]),
        1000.. => {
            decimal(number / 1000, out);
            out.extend_from_slice(&[digit(100), digit(10), digit(1)]);
        }
    }
}

/// How many digits that takes.
pub fn decimal_len(number: u64) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// Appends `number` in hexadecimal.
pub fn hexadecimal(number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 16];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b"0123456789abcdef"[(rest & 15) as usize];
        rest >>= 4;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends an address, an IPv4 one in IPv6 as what it is. IPv4, which is nearly all of them, goes without the formatting
/// machinery.
pub fn address(address: IpAddr, out: &mut Vec<u8>) {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let (text, len) = dotted(address);
            // As many bytes each time, and then those that are none of it taken away: that is less than to copy so many.
            let end = out.len() + len;
            out.extend_from_slice(&text);
            out.truncate(end);
        }
        IpAddr::V6(address) => {
            // Writing to a vector cannot fail.
            let _ = write!(out, "{address}");
        }
    }
}

/// An IPv4 address at the beginning of so many bytes, and how many of them it takes.
#[inline]
pub fn dotted(address: Ipv4Addr) -> ([u8; 4 * OCTET], usize) {
    let mut text = [0; 4 * OCTET];
    let mut len = 0;
    for octet in address.octets() {
        text[len..len + OCTET].copy_from_slice(&OCTETS[usize::from(octet)]);
        len += 2 + usize::from(octet >= 10) + usize::from(octet >= 100);
    }
    (text, len - ".".len())
}

/// The most that an octet takes with the point after it.
const OCTET: usize = "255.".len();

/// Each octet with the point after it.
const OCTETS: [[u8; OCTET]; 256] = {
    let mut table = [[0; OCTET]; 256];
    let mut octet = 0;
    while octet < table.len() {
        let [hundreds, tens, ones] = [octet / 100, octet / 10 % 10, octet % 10];
        table[octet] = match octet {
            0..10 => [b'0' + ones as u8, b'.', 0, 0],
            10..100 => [b'0' + tens as u8, b'0' + ones as u8, b'.', 0],
            _ => [b'0' + hundreds as u8, b'0' + tens as u8, b'0' + ones as u8, b'.'],
        };
        octet += 1;
    }
    table
};

/// Appends a field line. What would end the line early (CR, LF) and every other control character becomes a
/// space, so that no value, wherever it comes from, can split a message.
pub fn field(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    value_of_line(value, out);
    out.extend_from_slice(b"\r\n");
}

/// Appends a field value, control characters replaced as in [`field`].
pub fn value_of_line(value: &[u8], out: &mut Vec<u8>) {
    let at = out.len();
    out.extend_from_slice(value);
    if has_control(value) {
        blank(&mut out[at..]);
    }
}

#[cold]
fn blank(value: &mut [u8]) {
    for byte in value.iter_mut().filter(|byte| byte.is_ascii_control() && **byte != b'\t') {
        *byte = b' ';
    }
}

/// Whether there is a control character. As many bytes are looked at at once as a vector has.
fn has_control(value: &[u8]) -> bool {
    fn is_in<const N: usize>(block: &[u8; N]) -> bool {
        // Without an early return, so that there is one answer for all of them.
        block.iter().fold(false, |found, byte| found | byte.is_ascii_control())
    }
    // The last block overlaps with the one before it.
    if let Some(last) = value.last_chunk::<16>() {
        let (blocks, _) = value.as_chunks::<16>();
        return is_in(last) || blocks.iter().any(is_in);
    }
    match (value.first_chunk::<8>(), value.last_chunk::<8>()) {
        (Some(first), Some(last)) => is_in(first) || is_in(last),
        _ => value.iter().any(u8::is_ascii_control),
    }
}

/// The elements of a comma-separated list of tokens (RFC 9110 §5.6.1), trimmed, also of the line breaks that a
/// folded value has, the empty ones left out.
pub fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// Without the spaces and tabs around it (OWS, RFC 9110 §5.6.3).
pub fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Whether this is a field value: no control character but the tab (RFC 9110 §5.5).
pub fn is_field_value(value: &[u8]) -> bool {
    value.iter().all(|&byte| !byte.is_ascii_control() || byte == b'\t')
}

/// Whether this is a token (RFC 9110 §5.6.2).
pub fn is_token(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().copied().all(is_token_byte)
}

/// Whether a token may contain this byte (RFC 9110 §5.6.2).
pub const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_read_as_the_standard_library_writes_them(number: u64) {
            let mut out = Vec::new();
            decimal(number, &mut out);
            out.push(b' ');
            hexadecimal(number, &mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), format!("{number} {number:x}"));
            prop_assert_eq!(decimal_len(number), number.to_string().len());
        }

        #[test]
        fn a_control_is_found_wherever_it_stands(mut value in "[ -~\u{80}-\u{ff}]{0,20}".prop_map(String::into_bytes), byte: u8, at: usize) {
            prop_assert!(!has_control(&value));
            value.insert(at % (value.len() + 1), byte);
            prop_assert_eq!(has_control(&value), byte.is_ascii_control());
        }

        #[test]
        fn addresses_read_as_the_standard_library_writes_them(given: IpAddr) {
            let mut out = Vec::new();
            address(given, &mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), given.to_canonical().to_string());
        }

        #[test]
        fn p70_no_value_can_end_its_line(value: Vec<u8>) {
            let mut out = Vec::new();
            field("x", &value, &mut out);
            prop_assert!(out.ends_with(b"\r\n"));
            prop_assert!(!out[..out.len() - 2].iter().any(|&byte| byte == b'\r' || byte == b'\n' || byte == 0));
        }
    }

    #[test]
    fn a_list_has_no_empty_elements() {
        assert!(list(b" a ,, b\t,").eq([b"a".as_slice(), b"b"]));
        assert!(list(b" , ").next().is_none());
    }
}
