//! The chart: for each work a bar for each contender, as long as its figure is to nginx's. Plain SVG, readable in dark and light.

use std::fmt::Write as _;

use crate::{
    contenders::{NGINX, OWN, PEERS},
    report::{Better, Report},
    table::number,
};

use super::{blocks::compared, over_runs::OverRuns};

// Lengths are in the units of the picture.
const WIDTH: f64 = 760.0;
const MARGIN: f64 = 20.0;
/// Where bars begin: names stand before them.
const BARS: f64 = 96.0;
/// Of the longest bar; its figure stands behind it.
const LONGEST: f64 = 470.0;
const BAR: f64 = 15.0;
const LINE: f64 = 18.0;
const HEADING: f64 = 22.0;
const GAP: f64 = 12.0;

/// Bars that are longer than so many times nginx's are cut there, so that the others stay readable.
const MOST: f64 = 4.0;

const STYLE: &str = "  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .paper { fill: #ffffff; }
  .title { font-weight: 600; font-size: 15px; }
  .work { font-weight: 600; }
  .quiet { fill: #59636e; }
  .nginx { fill: #8c959f; }
  .haproxy { fill: #bbc2ca; }
  .envoy { fill: #a3acb5; }
  .caddy { fill: #d1d7dd; }
  .evenkeel { fill: #0969da; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .paper { fill: #0d1117; }
    .quiet { fill: #9198a1; }
    .nginx { fill: #767e88; }
    .haproxy { fill: #545d68; }
    .envoy { fill: #656d77; }
    .caddy { fill: #434b55; }
    .evenkeel { fill: #4493f8; }
  }
";

/// A picture of all rows in which others were measured as well.
pub(super) fn svg(report: &Report) -> String {
    let rows = compared(report);
    let (more, less): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.row().better == Better::More);
    let mut drawing = Drawing { body: String::new(), y: MARGIN, longest: longest(&rows) };
    drawing.panel("Work for each second on a core: longer is better", &more);
    drawing.panel("Waiting and memory: shorter is better", &less);
    let height = drawing.y;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\" aria-labelledby=\"title\">\n<title id=\"title\">Evenkeel and others on the \
         same work</title>\n<style>\n{STYLE}</style>\n<rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\" \
         rx=\"8\"/>\n{}</svg>\n",
        drawing.body
    )
}

/// What is drawn so far, and how far down.
struct Drawing {
    body: String,
    y: f64,
    /// What the longest bar stands for, nginx being 1.
    longest: f64,
}

impl Drawing {
    fn panel(&mut self, title: &str, rows: &[&OverRuns<'_>]) {
        if rows.is_empty() {
            return;
        }
        self.text(MARGIN, "title", title);
        self.y += HEADING;
        for row in rows {
            self.work(row);
        }
        self.y += GAP;
    }

    fn work(&mut self, row: &OverRuns<'_>) {
        self.text(MARGIN, "work", &format!("{}, {}", row.row().words, row.row().unit));
        self.y += HEADING;
        for name in PEERS.into_iter().chain([OWN]) {
            let Some(value) = row.figure(name) else { continue };
            let share = (value / scale(row)).min(self.longest);
            let length = LONGEST * share / self.longest;
            self.text(MARGIN, "quiet", name);
            let class = name.to_lowercase();
            self.line(&format!(
                "<rect class=\"{class}\" x=\"{BARS}\" y=\"{}\" width=\"{length:.1}\" height=\"{BAR}\" rx=\"2\"/>",
                self.y
            ));
            self.text(BARS + length + 8.0, "figure", &number(value));
            self.y += LINE;
        }
        self.y += GAP;
    }

    /// Text whose line begins at the present height.
    fn text(&mut self, x: f64, class: &str, text: &str) {
        let y = self.y + BAR - 3.0;
        self.line(&format!("<text class=\"{class}\" x=\"{x:.0}\" y=\"{y}\">{}</text>", escaped(text)));
    }

    fn line(&mut self, element: &str) {
        // Writing into a String cannot fail.
        let _ = writeln!(self.body, "{element}");
    }
}

/// What a bar of length 1 stands for: nginx, or the balancer where there is none.
fn scale(row: &OverRuns<'_>) -> f64 {
    row.figure(NGINX).or_else(|| row.figure(OWN)).unwrap_or(1.0)
}

fn longest(rows: &[OverRuns<'_>]) -> f64 {
    let shares = rows.iter().flat_map(|row| {
        PEERS.into_iter().chain([OWN]).filter_map(|name| Some(row.figure(name)? / scale(row)))
    });
    shares.fold(1.0, f64::max).min(MOST)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
