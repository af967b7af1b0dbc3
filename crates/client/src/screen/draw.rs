//! A view as characters: colours by meaning, and every meaning said in words or by length as well.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::view::{Row, View};
use crate::words::{self, Tame};

/// The widest that is used: bars that are longer say no more.
const WIDEST: u16 = 110;

/// The columns that a server's name may take.
const NAME_COLUMNS: usize = 24;

/// What the figures behind a bar take.
const FIGURES: usize = 20;

/// Which style means what; without colours only bold and faint are left.
#[derive(Debug, Clone, Copy)]
struct Styles {
    right: Style,
    failed: Style,
    bar: Style,
    faint: Style,
    strong: Style,
}

impl Styles {
    fn new(colours: bool) -> Self {
        let colour = |colour| if colours { Style::new().fg(colour) } else { Style::new() };
        Self {
            right: colour(Color::Green),
            failed: colour(Color::Red).add_modifier(Modifier::BOLD),
            bar: colour(Color::Cyan),
            faint: Style::new().add_modifier(Modifier::DIM),
            strong: Style::new().add_modifier(Modifier::BOLD),
        }
    }
}

/// Draws the view over the whole frame.
pub(super) fn draw(frame: &mut Frame<'_>, view: &View, colours: bool) {
    let styles = Styles::new(colours);
    let area = frame.area();
    let area = Rect { width: area.width.min(WIDEST), ..area };
    // One row says that there are more than there is room for.
    let rows = u16::try_from(view.servers.len()).unwrap_or(u16::MAX).min((area.height / 2).max(1));
    let [head, progress, figures, title, servers, told, happened] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(2),
        Constraint::Length(2),
        Constraint::Length(1),
        Constraint::Length(rows),
        Constraint::Length(2),
        Constraint::Fill(1),
    ])
    .areas(area);
    frame.render_widget(heading(view, styles), head);
    frame.render_widget(progressing(view, styles, area.width), progress);
    frame.render_widget(in_figures(view, styles), figures);
    frame.render_widget(Line::styled("Answered from", styles.strong), title);
    frame.render_widget(Paragraph::new(bars(view, styles, area.width, rows)), servers);
    frame.render_widget(
        Paragraph::new(vec![Line::default(), Line::styled("What happened", styles.strong)]),
        told,
    );
    frame.render_widget(Paragraph::new(story(view, styles)).wrap(Wrap { trim: false }), happened);
}

fn heading(view: &View, styles: Styles) -> Line<'static> {
    Line::from(vec![
        Span::styled("Evenkeel client", styles.strong),
        Span::raw(format!("  run {}  {}", view.run, view.target)),
    ])
}

fn progressing(view: &View, styles: Styles, width: u16) -> Line<'static> {
    let lasts = view.lasts.map(|lasts| format!(" of {}", seconds(lasts))).unwrap_or_default();
    let said = format!(" {:3.0} %  {}{lasts}", view.done * 100.0, seconds(view.elapsed));
    let room = usize::from(width).saturating_sub(said.chars().count());
    let (full, empty) = bar(view.done, room);
    Line::from(vec![Span::styled(full, styles.bar), Span::styled(empty, styles.faint), Span::raw(said)])
}

fn in_figures(view: &View, styles: Styles) -> Line<'static> {
    let failed = if view.failed > 0 { styles.failed } else { styles.faint };
    Line::from(vec![
        Span::styled(format!("{:.0}/s", view.rate), styles.strong),
        Span::styled(format!("   {} right", words::count(view.right)), styles.right),
        Span::styled(format!("   {} failed", words::count(view.failed)), failed),
        Span::raw(format!("   p50 {}   p99 ", latency(view.p50))),
        Span::styled(latency(view.p99), styles.strong),
        Span::raw(format!("   {} in flight", words::count(view.in_flight))),
    ])
}

/// A bar for each server, as long as its rate beside the highest one.
fn bars(view: &View, styles: Styles, width: u16, rows: u16) -> Vec<Line<'static>> {
    let rows = usize::from(rows);
    let shown = if view.servers.len() > rows { rows.saturating_sub(1) } else { rows };
    let highest = view.servers.iter().map(|row| row.rate).fold(0.0, f64::max);
    let names = view.servers.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).min(NAME_COLUMNS);
    let room = usize::from(width).saturating_sub(names + FIGURES + 2);
    let one = |row: &Row| {
        let name: String = Tame(&row.name).to_string().chars().take(names).collect();
        let (full, empty) = bar(if highest > 0.0 { row.rate / highest } else { 0.0 }, room);
        let figures = if row.rate > 0.0 {
            Span::raw(format!("{:>9.0}/s {:>6.1} %", row.rate, row.share * 100.0))
        } else {
            Span::styled(format!("{:>FIGURES$}", "no answer"), styles.failed)
        };
        Line::from(vec![
            Span::raw(format!("{name:names$}  ")),
            Span::styled(full, styles.bar),
            Span::styled(empty, styles.faint),
            figures,
        ])
    };
    let mut lines: Vec<_> = view.servers.iter().take(shown).map(one).collect();
    let left_out = view.servers.len() - lines.len();
    if left_out > 0 {
        lines.push(Line::styled(format!("and {left_out} more"), styles.faint));
    }
    lines
}

fn story(view: &View, styles: Styles) -> Vec<Line<'static>> {
    if view.happened.is_empty() {
        return vec![Line::styled("nothing so far", styles.faint)];
    }
    let told = view.happened.iter().map(|(at, sentence)| {
        Line::from(vec![
            Span::styled(format!("{}  ", words::moment(*at)), styles.faint),
            Span::raw(Tame(sentence).to_string()),
        ])
    });
    told.collect()
}

/// So much of a bar, in eighths of a character, and the rest of it.
fn bar(part: f64, room: usize) -> (String, String) {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    #[expect(clippy::cast_sign_loss, reason = "a part is clamped to 0 to 1")]
    let eighths = (part.clamp(0.0, 1.0) * room as f64 * 8.0).round() as usize;
    let mut full = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        full.push(EIGHTHS[eighths % 8]);
    }
    let rest = room - full.chars().count();
    (full, "·".repeat(rest))
}

/// A latency; a dash where nothing was answered.
fn latency(latency: Duration) -> String {
    if latency.is_zero() { "–".into() } else { words::duration(latency) }
}

/// A time as a clock on the wall would be read: to a tenth of a second.
fn seconds(time: Duration) -> String {
    if time.as_secs() >= 120 { words::duration(time) } else { format!("{:.1} s", time.as_secs_f64()) }
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::buffer::Buffer;

    use super::*;

    fn some_view() -> View {
        let row = |name: &str, rate, share| Row { name: name.into(), rate, share };
        View {
            run: "r".into(),
            target: "http://b:8080".into(),
            elapsed: Duration::from_millis(7_250),
            lasts: Some(Duration::from_secs(20)),
            done: 0.3625,
            right: 1_448,
            failed: 2,
            in_flight: 6,
            rate: 200.0,
            p50: Duration::from_micros(3_850),
            p99: Duration::from_micros(56_900),
            servers: vec![row("server-1", 120.0, 0.6), row("server-2", 0.0, 0.0), row("server-3", 80.0, 0.4)],
            happened: vec![(Duration::from_millis(4_986), "server-2 crashed at 16:58:57.4.".into())],
        }
    }

    fn drawn(view: &View, width: u16, height: u16, colours: bool) -> Buffer {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, view, colours)).unwrap();
        terminal.backend().buffer().clone()
    }

    fn lines(buffer: &Buffer) -> Vec<String> {
        let width = usize::from(buffer.area.width);
        let cells: Vec<_> = buffer.content().iter().map(ratatui::buffer::Cell::symbol).collect();
        cells.chunks(width).map(|line| line.concat().trim_end().to_owned()).collect()
    }

    #[test]
    fn a_run_with_an_incident_is_drawn_from_its_name_to_what_happened() {
        let lines = lines(&drawn(&some_view(), 70, 12, true));
        let expected = [
            "Evenkeel client  run r  http://b:8080",
            "█████████████████·······························  36 %  7.2 s of 20.0 s",
            "",
            "200/s   1,448 right   2 failed   p50 3.85 ms   p99 56.9 ms   6 in flight",
        ];
        assert_eq!(lines[0], expected[0]);
        assert!(
            lines[1].starts_with("█████████████████") && lines[1].ends_with(" 36 %  7.2 s of 20.0 s"),
            "{lines:#?}"
        );
        assert_eq!(lines[2], "");
        assert_eq!(lines[3], &expected[3][..70]);
        assert_eq!(lines[5], "Answered from");
        assert!(
            lines[6].starts_with("server-1  ██████") && lines[6].ends_with("120/s   60.0 %"),
            "{lines:#?}"
        );
        assert!(lines[7].starts_with("server-2  ······") && lines[7].ends_with("no answer"), "{lines:#?}");
        assert!(
            lines[8].starts_with("server-3  ██████") && lines[8].ends_with("80/s   40.0 %"),
            "{lines:#?}"
        );
        assert_eq!(lines[10..], ["What happened", "+4.986 s  server-2 crashed at 16:58:57.4."]);
    }

    #[test]
    fn bars_are_as_long_as_the_rates_beside_the_highest() {
        let lines = lines(&drawn(&some_view(), 70, 12, true));
        let full = |line: &String| line.chars().filter(|c| *c == '█').count();
        assert_eq!((full(&lines[6]), full(&lines[7]), full(&lines[8])), (40, 0, 26));
    }

    #[test]
    fn without_colours_there_is_none() {
        let coloured = |colours| {
            drawn(&some_view(), 70, 12, colours).content().iter().any(|cell| cell.fg != Color::Reset)
        };
        assert!(coloured(true) && !coloured(false));
    }

    #[test]
    fn a_calm_run_says_that_nothing_happened() {
        let calm = View { failed: 0, happened: Vec::new(), ..some_view() };
        assert!(lines(&drawn(&calm, 70, 12, true)).contains(&"nothing so far".to_owned()));
    }

    #[test]
    fn more_servers_than_there_is_room_for_are_counted() {
        let row = |number: usize| Row { name: format!("server-{number}"), rate: 1.0, share: 0.01 };
        let many = View { servers: (0..100).map(row).collect(), ..some_view() };
        assert!(lines(&drawn(&many, 70, 20, true)).contains(&"and 91 more".to_owned()));
    }

    #[test]
    fn the_smallest_terminal_and_the_emptiest_view_are_drawn_too() {
        for (width, height) in [(1, 1), (5, 3), (20, 5), (300, 100)] {
            drawn(&some_view(), width, height, true);
            drawn(&View::default(), width, height, false);
        }
    }

    #[test]
    fn what_servers_and_the_balancer_say_moves_no_cursor() {
        let mut view = some_view();
        view.servers[0].name = "\u{1b}[2J".into();
        view.happened[0].1 = "\u{1b}[2J".into();
        assert!(drawn(&view, 70, 12, true).content().iter().all(|cell| !cell.symbol().contains('\u{1b}')));
    }
}
