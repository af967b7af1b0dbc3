//! What a file holds that is not what is wanted of it, and what to do about that: files come from many tools, and what these
//! call a certificate or a key is not always PEM (RFC 7468).

/// What some editors write before the first character of a text. PEM begins behind it.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// What the line ends with that begins a key.
const KEY: &[u8] = b"PRIVATE KEY-----";

/// The same without such a mark, which would hide the first of what is in it.
pub(super) fn unmarked(mut file: Vec<u8>) -> Vec<u8> {
    if file.starts_with(MARK) {
        file.drain(..MARK.len());
    }
    file
}

/// Whether there is a key in this file, encrypted or not.
pub(super) fn has_key(file: &[u8]) -> bool {
    memchr::memmem::find(file, KEY).is_some()
}

/// That there is no certificate in this file; with what is, where that is known.
pub(super) fn no_certificate(file: &[u8]) -> String {
    let what = not_pem(file, "openssl x509 -inform der").or_else(|| {
        first_of(
            file,
            &[
                ("BEGIN CERTIFICATE REQUEST", "a request for one is, which has yet to be signed"),
                ("BEGIN NEW CERTIFICATE REQUEST", "a request for one is, which has yet to be signed"),
                (
                    "BEGIN TRUSTED CERTIFICATE",
                    "one with OpenSSL's own additions is; openssl x509 -in FILE removes them",
                ),
                ("BEGIN PKCS7", "it is in PKCS #7; openssl pkcs7 -print_certs -in FILE writes it as PEM"),
                ("PRIVATE KEY-----", "a key is; perhaps the two files were swapped"),
            ],
        )
    });
    with("there is no certificate in it", what)
}

/// That the key in this file cannot be read; with why, where that is known, or else as `error` says.
pub(super) fn no_key(file: &[u8], error: &str) -> String {
    if memchr::memmem::find(file, b"ENCRYPTED").is_some() {
        return "the key is encrypted, and nobody gives its password at a start; write it anew without one: openssl pkey \
                -in OLD.key -out NEW.key"
            .to_owned();
    }
    let what = not_pem(file, "openssl pkey -inform der").or_else(|| {
        first_of(
            file,
            &[
                ("PRIVATE KEY-----", error),
                ("BEGIN PUBLIC KEY", "it is the public one"),
                ("BEGIN CERTIFICATE", "it is a certificate; perhaps the two files were swapped"),
            ],
        )
    });
    with("the key cannot be read", Some(what.unwrap_or_else(|| error.to_owned())))
}

fn with(said: &str, what: Option<String>) -> String {
    match what {
        Some(what) => format!("{said}: {what}"),
        None => said.to_owned(),
    }
}

fn not_pem(file: &[u8], by: &str) -> Option<String> {
    match file {
        [] => Some("it is empty".to_owned()),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("it is text in UTF-16; it has to be in ASCII".to_owned()),
        // A sequence of more than 127 bytes, which is the beginning of all that could be meant.
        [0x30, 0x81..=0x83 | 0x77, ..] => Some(format!("it is in DER; {by} -in FILE writes it as PEM")),
        _ => None,
    }
}

/// What is said of the first of these that the file has in it.
fn first_of(file: &[u8], known: &[(&str, &str)]) -> Option<String> {
    let has = |word: &str| memchr::memmem::find(file, word.as_bytes()).is_some();
    known.iter().find(|(word, _)| has(word)).map(|&(_, said)| said.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_before_the_text_is_left_out() {
        assert_eq!(unmarked(b"\xef\xbb\xbf-----BEGIN".to_vec()), b"-----BEGIN");
        assert_eq!(unmarked(b"-----BEGIN".to_vec()), b"-----BEGIN");
    }

    #[test]
    fn what_is_no_certificate_is_called_what_it_is() {
        let pem = |kind: &str| format!("-----BEGIN {kind}-----\nAAAA\n-----END {kind}-----\n").into_bytes();
        for (file, words) in [
            (Vec::new(), "it is empty"),
            (b"\x30\x82\x01\x02".to_vec(), "openssl x509 -inform der"),
            (b"\xff\xfe-\0".to_vec(), "UTF-16"),
            (pem("CERTIFICATE REQUEST"), "yet to be signed"),
            (pem("TRUSTED CERTIFICATE"), "openssl x509 -in"),
            (pem("PKCS7"), "-print_certs"),
            (pem("EC PRIVATE KEY"), "swapped"),
            (b"nonsense".to_vec(), "there is no certificate in it"),
        ] {
            let said = no_certificate(&file);
            assert!(said.starts_with("there is no certificate in it") && said.contains(words), "{said}");
        }
    }

    #[test]
    fn what_is_no_key_is_called_what_it_is() {
        let pem = |kind: &str| format!("-----BEGIN {kind}-----\nAAAA\n-----END {kind}-----\n").into_bytes();
        let old =
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n";
        for (file, words) in [
            (b"\x30\x77\x02\x01".to_vec(), "openssl pkey -inform der"),
            (pem("PUBLIC KEY"), "it is the public one"),
            (pem("CERTIFICATE"), "swapped"),
            (pem("PRIVATE KEY"), "as it says"),
            (b"nonsense".to_vec(), "as it says"),
        ] {
            let said = no_key(&file, "as it says");
            assert!(said.starts_with("the key cannot be read: ") && said.contains(words), "{said}");
        }
        for file in [pem("ENCRYPTED PRIVATE KEY"), old.into()] {
            assert!(no_key(&file, "as it says").starts_with("the key is encrypted"));
        }
    }
}
