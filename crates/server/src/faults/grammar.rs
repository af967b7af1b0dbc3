//! How faults are written: `fault[=value][:probability][@condition=value]…`, for example `status=503:5%@path=/bytes`.

use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use evenkeel_service::{Setting, Size};

use super::{
    Fault,
    rule::{Conditions, Rule},
};

const FAULTS: &str = "delay=200ms or delay=100ms-300ms, status=503, unauthorized, hang, corrupt, wrong-digest, no-digest, \
                      truncate, reset, stall, close, slow=64KiB/s";
const CONDITIONS: &str = "first=3, every=10, after=5s, until=20s, path=/bytes, method=POST";

/// Reads one rule.
pub(super) fn rule(text: &str) -> Result<Rule, String> {
    let mut parts = text.split('@');
    // Splitting gives at least one part.
    let what = parts.next().unwrap_or_default();
    let (what, probability) = match what.rsplit_once(':') {
        Some((what, percent)) => (what, probability(percent)?),
        None => (what, 1.0),
    };
    let mut conditions = Conditions::default();
    for part in parts {
        condition(&mut conditions, part)?;
    }
    Ok(Rule { text: text.to_owned(), fault: fault(what)?, probability, conditions })
}

fn fault(text: &str) -> Result<Fault, String> {
    let (word, value) = match text.split_once('=') {
        Some((word, value)) => (word, Some(value)),
        None => (text, None),
    };
    let fault = match (word, value) {
        ("delay", Some(value)) => delay(value)?,
        ("status", Some(value)) => Fault::Status(status(value)?),
        ("slow", Some(value)) => Fault::Slow(rate(value)?),
        ("unauthorized", None) => Fault::Unauthorized,
        ("hang", None) => Fault::Hang,
        ("corrupt", None) => Fault::Corrupt,
        ("wrong-digest", None) => Fault::WrongDigest,
        ("no-digest", None) => Fault::NoDigest,
        ("truncate", None) => Fault::Truncate,
        ("reset", None) => Fault::Reset,
        ("stall", None) => Fault::Stall,
        ("close", None) => Fault::Close,
        _ => return Err(format!("`{text}` is not a fault; there are {FAULTS}")),
    };
    Ok(fault)
}

fn delay(value: &str) -> Result<Fault, String> {
    let (from, to) = value.split_once('-').unwrap_or((value, value));
    let (least, most) = (Duration::parse(from)?, Duration::parse(to)?);
    match most.checked_sub(least) {
        Some(spread) => Ok(Fault::Delay { least, spread }),
        None => Err(format!("`{value}` is a range that ends before it begins")),
    }
}

fn status(value: &str) -> Result<StatusCode, String> {
    let status = value.parse().ok().filter(|status: &StatusCode| (200..600).contains(&status.as_u16()));
    status.ok_or_else(|| format!("`{value}` is not a status from 200 to 599"))
}

fn rate(value: &str) -> Result<Size, String> {
    let rate = value.strip_suffix("/s").and_then(|size| Size::parse(size).ok()).filter(|rate| rate.0 > 0);
    rate.ok_or_else(|| format!("`{value}` is not a rate; write it as 64KiB/s"))
}

fn probability(text: &str) -> Result<f64, String> {
    let percent = text.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
    match percent {
        Some(percent) if (0.0..=100.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err(format!("`{text}` is not a probability; write it as 5% or 0.1%")),
    }
}

fn condition(conditions: &mut Conditions, text: &str) -> Result<(), String> {
    let unknown = || format!("`@{text}` is not a condition; there are {CONDITIONS}");
    let (word, value) = text.split_once('=').ok_or_else(unknown)?;
    match word {
        "first" => conditions.first = Some(u64::parse(value)?),
        "every" => conditions.every = Some(Setting::parse(value)?),
        "after" => conditions.after = Duration::parse(value)?,
        "until" => conditions.until = Some(Duration::parse(value)?),
        "path" if value.starts_with('/') => conditions.path = Some(value.to_owned()),
        "path" => return Err(format!("`{value}` is not a path; it begins with /")),
        "method" => {
            let method = Method::from_bytes(value.as_bytes());
            conditions.method = Some(method.map_err(|_| format!("`{value}` is not a method"))?);
        }
        _ => return Err(unknown()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_fault_can_be_written() {
        let millis = Duration::from_millis;
        for (text, expected) in [
            ("delay=200ms", Fault::Delay { least: millis(200), spread: millis(0) }),
            ("delay=100ms-1s:10%", Fault::Delay { least: millis(100), spread: millis(900) }),
            ("status=503:5%", Fault::Status(StatusCode::SERVICE_UNAVAILABLE)),
            ("unauthorized", Fault::Unauthorized),
            ("hang:1%", Fault::Hang),
            ("corrupt:5%", Fault::Corrupt),
            ("wrong-digest:1%", Fault::WrongDigest),
            ("no-digest", Fault::NoDigest),
            ("truncate:1%", Fault::Truncate),
            ("reset:0.5%", Fault::Reset),
            ("stall", Fault::Stall),
            ("close", Fault::Close),
            ("slow=64KiB/s", Fault::Slow(Size(65_536))),
        ] {
            let rule = rule(text).unwrap();
            assert_eq!((rule.fault, rule.text.as_str()), (expected, text));
        }
    }

    #[test]
    fn conditions_follow_the_probability() {
        let rule = rule("status=500:50%@first=3@path=/a:b@method=POST@after=1s@until=2s@every=2").unwrap();
        assert!((rule.probability - 0.5).abs() < 1e-9);
        assert_eq!((rule.conditions.first, rule.conditions.path.as_deref()), (Some(3), Some("/a:b")));
        assert_eq!(rule.conditions.method, Some(Method::POST));
    }

    #[test]
    fn mistakes_say_what_to_write() {
        for (text, reason) in [
            ("", "`` is not a fault; there are delay=200ms"),
            ("corrupt=1", "`corrupt=1` is not a fault"),
            ("delay", "`delay` is not a fault"),
            ("delay=fast", "`fast` is not a duration"),
            ("delay=2s-1s", "`2s-1s` is a range that ends before it begins"),
            ("status=99", "`99` is not a status from 200 to 599"),
            ("status=101", "`101` is not a status from 200 to 599"),
            ("slow=64KiB", "`64KiB` is not a rate; write it as 64KiB/s"),
            ("slow=0/s", "`0/s` is not a rate"),
            ("corrupt:5", "`5` is not a probability; write it as 5% or 0.1%"),
            ("corrupt:101%", "`101%` is not a probability"),
            ("corrupt:NaN%", "`NaN%` is not a probability"),
            ("corrupt@last=3", "`@last=3` is not a condition; there are first=3"),
            ("corrupt@first", "`@first` is not a condition"),
            ("corrupt@every=0", "`0` is not a whole number from 1 to"),
            ("corrupt@path=bytes", "`bytes` is not a path"),
        ] {
            let error = rule(text).unwrap_err();
            assert!(error.starts_with(reason), "{text}: {error}");
        }
    }

    /// The first cells of a table of the page, where they are code: the table below this heading.
    fn on_the_page(page: &str, heading: &str) -> Vec<String> {
        let (_, below) = page.split_once(&format!("\n## {heading}\n")).expect("the heading is there");
        let (table, _) = below.split_once("\n## ").unwrap_or((below, ""));
        let cells = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
        cells.map(|(cell, _)| cell.to_owned()).collect()
    }

    #[test]
    fn the_page_lists_what_there_is() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/server-faults.md");
        let page = std::fs::read_to_string(page).unwrap();
        let (faults, conditions) = (on_the_page(&page, "Faults"), on_the_page(&page, "Conditions"));
        let said = |list: &str| list.split(", ").map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(faults, said(&FAULTS.replace(" or delay=100ms-300ms", "")));
        assert_eq!(conditions, said(CONDITIONS));
        for fault in &faults {
            rule(fault).unwrap();
        }
        for condition in &conditions {
            rule(&format!("hang@{condition}")).unwrap();
        }
        // Whatever else is written there as it could be typed.
        for example in ["delay=100ms-300ms", "corrupt:20%", "status=503@path=/readyz", "corrupt@first=3"] {
            assert!(page.contains(example), "{example}");
            rule(example).unwrap();
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_grammar_panic(text in "[a-z=:@%/0-9,.-]*") {
            let _ = rule(&text);
        }
    }
}
