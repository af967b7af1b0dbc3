//! A chart over the run's columns as SVG: stacked areas or lines, incidents as bands behind them.

use std::fmt::Write as _;
use std::time::Duration;

use super::escaped;
use super::scale::{Axis, Scale};

/// The size of the drawing, in its own units.
const SIZE: (f64, f64) = (960.0, 220.0);

/// The room around the plot: left for the scale, below for the time.
const MARGIN: (f64, f64, f64, f64) = (64.0, 8.0, 14.0, 24.0);

/// A value for each column, drawn as a line; it is broken where there is none.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) class: String,
    pub(super) values: Vec<Option<f64>>,
}

/// A value for each column, drawn as an area on top of those before it.
pub(super) struct Stack {
    pub(super) name: String,
    pub(super) class: String,
    pub(super) values: Vec<f64>,
}

/// A stretch to be marked.
pub(super) struct Band {
    pub(super) name: String,
    pub(super) from: Duration,
    pub(super) until: Duration,
}

/// Everything in one drawing.
pub(super) struct Chart<'a> {
    pub(super) title: &'a str,
    pub(super) axis: Axis,
    pub(super) lines: Vec<Line>,
    pub(super) stacks: Vec<Stack>,
    pub(super) bands: &'a [Band],
    /// How many columns there are, and how long each is.
    pub(super) columns: usize,
    pub(super) width: Duration,
    /// When the time axis ends; it may be within the last column.
    pub(super) lasted: Duration,
}

impl Chart<'_> {
    /// The drawing with its caption, which is the legend as well.
    pub(super) fn svg(&self) -> String {
        let scale = Scale::of(self.axis, self.heights());
        let mut svg = String::new();
        let legend = self.lines.iter().map(|line| (&line.name, &line.class));
        let legend = legend.chain(self.stacks.iter().map(|stack| (&stack.name, &stack.class)));
        let _ = write!(svg, "<figure>\n<figcaption>{}", escaped(self.title));
        for (name, class) in legend {
            let _ = write!(svg, " <span><i class=\"{class}\"></i>{}</span>", escaped(name));
        }
        let _ = writeln!(
            svg,
            "</figcaption>\n<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">",
            SIZE.0,
            SIZE.1,
            escaped(self.title)
        );
        self.draw_bands(&mut svg);
        self.draw_scale(&mut svg, scale);
        self.draw_stacks(&mut svg, scale);
        self.draw_lines(&mut svg, scale);
        svg.push_str("</svg>\n</figure>\n");
        svg
    }

    /// How high everything reaches.
    fn heights(&self) -> impl Iterator<Item = f64> {
        let lines = self.lines.iter().flat_map(|line| line.values.iter().copied().flatten());
        let stacks =
            (0..self.columns).map(|column| self.stacks.iter().map(|stack| stack.values[column]).sum());
        let stacks = (!self.stacks.is_empty()).then_some(stacks);
        lines.chain(stacks.into_iter().flatten())
    }

    fn draw_bands(&self, svg: &mut String) {
        let (_, _, top, bottom) = MARGIN;
        for Band { name, from, until } in self.bands {
            let (left, right) = (self.x_at(*from), self.x_at(*until));
            let _ = writeln!(
                svg,
                "<rect class=\"band\" x=\"{left:.1}\" y=\"{top}\" width=\"{:.1}\" height=\"{:.1}\"/>\
                 <text x=\"{left:.1}\" y=\"{:.1}\">{}</text>",
                (right - left).max(3.0),
                SIZE.1 - top - bottom,
                top - 3.0,
                escaped(name)
            );
        }
    }

    fn draw_scale(&self, svg: &mut String, scale: Scale) {
        let (left, right, _, bottom) = MARGIN;
        for (value, words) in scale.marks() {
            let y = y(value, scale);
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{left}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                SIZE.0 - right,
                left - 6.0,
                y + 4.0,
                escaped(&words)
            );
        }
        let whole = self.lasted;
        let step = tick(whole);
        for at in (0..=TICKS).map(|number| step * number).take_while(|&at| at <= whole) {
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{}\">{}</text>",
                self.x_at(at),
                SIZE.1 - bottom + 16.0,
                match self.x_at(at) {
                    _ if at.is_zero() => "start",
                    x if x > SIZE.0 - 2.0 * right => "end",
                    _ => "middle",
                },
                clock(at)
            );
        }
    }

    /// Areas in steps: a column is a stretch of time, not a point.
    fn draw_stacks(&self, svg: &mut String, scale: Scale) {
        let mut below = vec![0.0; self.columns];
        for stack in &self.stacks {
            let above: Vec<f64> =
                below.iter().zip(&stack.values).map(|(below, value)| below + value).collect();
            let mut path = String::new();
            for (column, value) in above.iter().enumerate() {
                let _ = write!(
                    path,
                    "{:.1},{:.1} {:.1},{:.1} ",
                    self.x(column),
                    y(*value, scale),
                    self.x(column + 1),
                    y(*value, scale)
                );
            }
            for (column, value) in below.iter().enumerate().rev() {
                let _ = write!(
                    path,
                    "{:.1},{:.1} {:.1},{:.1} ",
                    self.x(column + 1),
                    y(*value, scale),
                    self.x(column),
                    y(*value, scale)
                );
            }
            let _ = writeln!(svg, "<polygon class=\"{}\" points=\"{}\"/>", stack.class, path.trim_end());
            below = above;
        }
    }

    fn draw_lines(&self, svg: &mut String, scale: Scale) {
        for line in &self.lines {
            for stretch in
                line.values.iter().enumerate().collect::<Vec<_>>().split(|(_, value)| value.is_none())
            {
                let mut path = String::new();
                for (column, value) in stretch {
                    let y = y(value.unwrap_or_default(), scale);
                    let _ = write!(path, "{:.1},{y:.1} {:.1},{y:.1} ", self.x(*column), self.x(column + 1));
                }
                if !path.is_empty() {
                    let _ = writeln!(
                        svg,
                        "<polyline class=\"line {}\" points=\"{}\"/>",
                        line.class,
                        path.trim_end()
                    );
                }
            }
        }
    }

    fn x(&self, column: usize) -> f64 {
        self.x_at(self.width * u32::try_from(column).unwrap_or(u32::MAX))
    }

    fn x_at(&self, moment: Duration) -> f64 {
        let (left, right, ..) = MARGIN;
        let part = moment.as_secs_f64() / self.lasted.as_secs_f64();
        left + (SIZE.0 - left - right) * part.min(1.0)
    }
}

fn y(value: f64, scale: Scale) -> f64 {
    let (.., above, below) = MARGIN;
    SIZE.1 - below - (SIZE.1 - above - below) * scale.at(value)
}

/// The most moments named on the time axis after its beginning.
const TICKS: u32 = 10;

/// The distance of moments on the time axis: a round one, with at most [`TICKS`] in the whole.
fn tick(whole: Duration) -> Duration {
    const ROUND: [u64; 12] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600];
    let fits = |step: &u64| Duration::from_secs(*step) * TICKS >= whole;
    // Beyond ten hours, as many hours as it takes.
    let hours = whole.as_secs().div_ceil(u64::from(TICKS) * 3_600) * 3_600;
    Duration::from_secs(ROUND.into_iter().find(fits).unwrap_or(hours))
}

/// A moment on the time axis: `45 s`, `2:30`, `1:00:00`.
fn clock(at: Duration) -> String {
    let (hours, minutes, seconds) = (at.as_secs() / 3_600, at.as_secs() / 60 % 60, at.as_secs() % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds} s"),
        (0, _) => format!("{minutes}:{seconds:02}"),
        (_, _) => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(bands: &[Band], stacks: Vec<Stack>, lines: Vec<Line>) -> Chart<'_> {
        Chart {
            title: "Rate",
            axis: Axis::Amount("/s"),
            lines,
            stacks,
            bands,
            columns: 4,
            width: Duration::from_secs(1),
            lasted: Duration::from_secs(4),
        }
    }

    #[test]
    fn the_time_axis_has_round_moments() {
        let step = |seconds| tick(Duration::from_secs(seconds)).as_secs();
        assert_eq!([1, 17, 60, 600, 36_000, 360_000].map(step), [1, 2, 10, 60, 3_600, 36_000]);
        assert_eq!(
            [45, 150, 3_600].map(|seconds| clock(Duration::from_secs(seconds))),
            ["45 s", "2:30", "1:00:00"]
        );
    }

    #[test]
    fn a_line_is_broken_where_there_is_no_value() {
        let line = Line {
            name: "p99".into(),
            class: "p99".into(),
            values: vec![Some(1.0), None, Some(2.0), Some(1.0)],
        };
        let svg = chart(&[], vec![], vec![line]).svg();
        assert_eq!(svg.matches("<polyline").count(), 2, "{svg}");
    }

    #[test]
    fn incidents_are_marked_where_they_were() {
        let bands = [Band { name: "1".into(), from: Duration::from_secs(2), until: Duration::from_secs(3) }];
        let svg = chart(&bands, vec![], vec![]).svg();
        assert!(svg.contains("<rect class=\"band\" x=\"508.0\""), "{svg}");
    }

    #[test]
    fn names_from_elsewhere_cannot_become_markup() {
        let stack = Stack { name: "<script>".into(), class: "right".into(), values: vec![1.0; 4] };
        assert!(!chart(&[], vec![stack], vec![]).svg().contains("<script>"));
    }
}
