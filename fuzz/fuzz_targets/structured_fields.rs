#![no_main]

use evenkeel_digest::{Algorithm, Expected};

// The lines of a digest field: what is read from them reads back the same when it is written again, and when the
// lines are one.
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let lines: Vec<_> = data.split(|&byte| byte == b'\n').collect();
    let Ok(expected) = Expected::parse(lines.iter().copied()) else { return };
    let one_line = lines
        .iter()
        .filter(|line| !line.trim_ascii().is_empty())
        .copied()
        .collect::<Vec<_>>()
        .join(&b", "[..]);
    assert_eq!(Expected::parse([one_line.as_slice()]), Ok(expected));
    let written: Vec<_> = [Algorithm::Sha256, Algorithm::Sha512]
        .into_iter()
        .filter_map(|algorithm| expected.get(algorithm))
        .map(|digest| digest.field_value())
        .collect();
    assert_eq!(Expected::parse(written.iter().map(String::as_bytes)), Ok(expected));
});
