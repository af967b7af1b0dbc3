//! The table, for people.

use std::fmt::Write as _;

use crate::report::{Report, Row, Run};

/// A line of the table.
type Line = [String; 8];

/// What is said before anything is measured.
pub(crate) fn preface(report: &Report) -> String {
    let machine = &report.machine;
    let method = &report.method;
    let versions: Vec<_> =
        report.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let remarks: Vec<_> = report.remarks.iter().map(|remark| format!("! {remark}\n")).collect();
    format!(
        "{}\n{}, {} cores, Linux {}, load {:.2}\nproxies on core {}, servers ({}) and load ({}, {} connections) on core \
         {}; {} rounds of {} s\n{}\n",
        versions.join(", "),
        machine.processor,
        machine.cores,
        machine.kernel,
        machine.load_before,
        method.proxy_core,
        method.servers,
        method.load,
        method.connections,
        method.load_core,
        method.rounds,
        method.seconds,
        remarks.concat(),
    )
}

/// What is said as soon as a row is measured.
pub(crate) fn summary(row: &Row) -> String {
    if let Some(failure) = &row.failure {
        return format!("FAILED: {failure}");
    }
    let ratios: Vec<_> =
        row.ratios.iter().map(|ratio| format!("{:.2} × {}", ratio.value, ratio.against)).collect();
    match row.contenders.len() {
        0 => row.notes.join("; "),
        _ if ratios.is_empty() => "measured".to_owned(),
        _ => ratios.join(", "),
    }
}

/// A run as a table with columns of even width, which is Markdown as well.
pub(crate) fn text(run: &Run) -> String {
    let mut lines =
        vec![["work", "", "figure", "least–most", "its core", "ratio to it", "goal", ""].map(str::to_owned)];
    for row in &run.rows {
        lines.extend(row_lines(row));
    }
    let mut text = align(&lines);
    for row in &run.rows {
        for note in &row.notes {
            let _ = writeln!(text, "{}: {note}", row.name);
        }
        if let Some(failure) = &row.failure {
            let _ = writeln!(text, "{} FAILED: {failure}", row.name);
        }
    }
    text
}

fn row_lines(row: &Row) -> Vec<Line> {
    let work = format!("{}: {}", row.words, row.unit);
    if row.contenders.is_empty() {
        let why = if row.failure.is_some() { "FAILED" } else { "not measured" };
        let mut line = Line::default();
        (line[0], line[2]) = (work, why.to_owned());
        return vec![line];
    }
    let mut lines = Vec::new();
    for figures in &row.contenders {
        let ratio = row.ratios.iter().find(|ratio| ratio.against == figures.name);
        let compared = ratio.and_then(|ratio| ratio.goal).map(|goal| format!("{goal} ×"));
        let limited = figures.limit.map(|limit| limit.to_string());
        let met = ratio.and_then(|ratio| ratio.met).or(figures.met);
        lines.push([
            if lines.is_empty() { work.clone() } else { String::new() },
            figures.name.clone(),
            number(figures.figure),
            format!("{}–{}", number(figures.least), number(figures.most)),
            figures.share.map(percent).unwrap_or_default(),
            ratio.map(|ratio| format!("{:.2} ×", ratio.value)).unwrap_or_default(),
            compared.or(limited).unwrap_or_default(),
            met.map(|met| if met { "met" } else { "NOT MET" }).unwrap_or_default().to_owned(),
        ]);
    }
    lines
}

/// A part of a whole.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// A number with as many digits as it deserves, in groups of three.
pub(crate) fn number(value: f64) -> String {
    match value {
        small if small < 10.0 => format!("{small:.3}"),
        medium if medium < 1000.0 => format!("{medium:.1}"),
        large => grouped(&format!("{large:.0}")),
    }
}

fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn align(lines: &[Line]) -> String {
    let width =
        |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 8] = std::array::from_fn(width);
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        let cells = line.iter().zip(widths).map(|(cell, width)| format!(" {cell:<width$} |"));
        let _ = writeln!(text, "|{}", cells.collect::<String>());
        if index == 0 {
            let _ = writeln!(text, "|{}", widths.map(|width| "-".repeat(width + 2) + "|").concat());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::row;

    #[test]
    fn each_contender_has_a_line_with_its_ratio_and_the_verdict() {
        let mut rows = vec![row([130.0, 65.0], [100.0, 50.0]), row([110.0, 55.0], [100.0, 50.0])];
        rows[0].contenders[0].share = Some(0.979);
        let text = text(&Run { began: String::new(), rows });
        let words: Vec<_> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert!(words[2].contains("| ours | 97.5 | 65.0–130.0 | 98 % | | | |"), "{text}");
        assert!(words[3].contains("| theirs | 75.0 | 50.0–100.0 | | 1.30 × | ≥ 1.20 × | met |"), "{text}");
        assert!(words[5].contains("| 1.10 × | ≥ 1.20 × | NOT MET |"), "{text}");
    }

    #[test]
    fn why_a_row_failed_is_told_below_the_table() {
        let mut failed = row([1.0, 1.0], [1.0, 1.0]);
        failed.contenders.clear();
        failed.failure = Some("an answer was wrong".to_owned());
        let text = text(&Run { began: String::new(), rows: vec![failed] });
        assert!(text.contains("| FAILED |") && text.contains("work FAILED: an answer was wrong"), "{text}");
    }

    #[test]
    fn numbers_are_written_as_they_are_read() {
        assert_eq!(number(34_990.4), "34,990");
        assert_eq!(number(1_234_567.0), "1,234,567");
        assert_eq!(number(575.25), "575.2");
        assert_eq!(number(1.2345), "1.234");
    }

    #[test]
    fn columns_are_even_whatever_the_letters() {
        let line = |first: &str| [first, "", "", "", "", "", "", ""].map(str::to_owned);
        let text = align(&[line("a"), line("≥ 1.30 ×")]);
        let widths: Vec<_> = text.lines().map(|line| line.chars().count()).collect();
        assert!(widths.windows(2).all(|pair| pair[0] == pair[1]), "{text}");
    }
}
