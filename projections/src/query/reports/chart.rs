//! Charts as SVG, drawn in shares of whatever width there is, so that a phone shows the same with text of the same size.

use super::scale::Scale;
use askama::Template;

/// Height of what is drawn in a chart of columns.
const HEIGHT: f64 = 168.0;
/// Height of a line of a chart of bars.
const LINE: f64 = 42.0;
/// Most labels under the columns: as many as a phone has room for.
const LABELS_MAX: usize = 5;

/// Columns over time or over hours.
#[derive(Template)]
#[template(path = "reports/columns.svg", escape = "html")]
pub(super) struct Columns {
    pub id: String,
    pub title: String,
    pub about: String,
    rules: Vec<Rule>,
    columns: Vec<Drawn>,
    labels: Vec<Label>,
}

/// A line across, and what it stands for.
struct Rule {
    y: String,
    label: String,
}

/// A column, drawn.
struct Drawn {
    x: String,
    width: String,
    parts: Vec<Part>,
    hint: String,
}

struct Part {
    y: String,
    height: String,
    class: &'static str,
}

struct Label {
    x: String,
    text: String,
}

/// A column: its place among all as shares of the width, and its values from below.
pub(super) struct Column {
    pub from: f64,
    pub to: f64,
    pub values: Vec<f64>,
    /// What it says when it is pointed at.
    pub hint: String,
}

/// What is drawn.
pub(super) struct Series<'a> {
    pub id: &'a str,
    pub title: String,
    pub about: String,
    /// How the parts of columns look, from below.
    pub classes: &'a [&'static str],
    /// Whether values are whole numbers.
    pub counts: bool,
    pub columns: Vec<Column>,
    /// Texts under columns, at shares of the width.
    pub labels: Vec<(f64, String)>,
}

impl Columns {
    pub fn of(series: Series<'_>) -> Self {
        let Series { id, title, about, classes, counts, columns, labels } = series;
        let largest = columns.iter().map(|column| column.values.iter().sum()).fold(0.0, f64::max);
        let scale = Scale::up_to(largest, 4.0, counts);
        let rules = scale.marks().into_iter().map(|(share, label)| Rule { y: px(HEIGHT * (1.0 - share)), label });
        let every = labels.len().div_ceil(LABELS_MAX).max(1);
        let columns = columns.iter().map(|column| drawn(column, &scale, classes)).collect();
        let labels = labels.into_iter().step_by(every).map(|(at, text)| Label { x: percent(at), text });
        Self { id: id.to_owned(), title, about, rules: rules.collect(), columns, labels: labels.collect() }
    }
}

fn drawn(column: &Column, scale: &Scale, classes: &[&'static str]) -> Drawn {
    // A gap between columns, unless they are so many that it would be all there is.
    let width = column.to - column.from;
    let gap = width * 0.14;
    let mut top = HEIGHT;
    let mut parts = Vec::new();
    for (value, class) in column.values.iter().zip(classes) {
        if *value <= 0.0 {
            continue;
        }
        // What is there is seen, however little it is.
        let height = (scale.share(*value) * HEIGHT).max(1.5).min(top);
        top -= height;
        parts.push(Part { y: px(top), height: px(height), class });
    }
    Drawn { x: percent(column.from + gap / 2.0), width: percent(width - gap), parts, hint: column.hint.clone() }
}

/// Bars beside each other, one line for each name, with one or two measures of their own scales.
#[derive(Template)]
#[template(path = "reports/bars.svg", escape = "html")]
pub(super) struct Bars {
    pub id: String,
    pub title: String,
    pub about: String,
    height: String,
    heads: Vec<Label>,
    lines: Vec<Line>,
}

struct Line {
    name: String,
    y_name: String,
    y_bar: String,
    y_value: String,
    bars: Vec<Bar>,
}

struct Bar {
    x: String,
    width: String,
    x_value: String,
    value: String,
    class: &'static str,
}

/// A name with its measures: where they lie, and how they are written.
pub(super) type Measured = (String, Vec<(f64, String)>);

impl Bars {
    /// Bars of measures with these names.
    pub fn of(id: &str, title: String, about: String, measures: &[&str], measured: &[Measured]) -> Self {
        let room = 1.0 / measures.len() as f64;
        let largest = |index: usize| {
            let values = measured.iter().filter_map(|(_, values)| values.get(index));
            values.map(|(value, _)| *value).fold(0.0, f64::max)
        };
        let tops: Vec<f64> = (0..measures.len()).map(largest).collect();
        let mut lines = Vec::new();
        for (index, (name, values)) in measured.iter().enumerate() {
            let y = 22.0 + LINE * index as f64;
            let bars = values.iter().zip(&tops).zip(["first", "second"]).enumerate();
            let bars = bars.map(|(index, (((value, text), top), class))| {
                let x = room * index as f64;
                // The rest is room for the number.
                let width = if *top > 0.0 { (value / top).clamp(0.0, 1.0) * room * 0.62 } else { 0.0 };
                let x_value = percent(x + width);
                Bar { x: percent(x), width: percent(width), x_value, value: text.clone(), class }
            });
            lines.push(Line {
                name: shortened(name),
                y_name: px(y + 12.0),
                y_bar: px(y + 18.0),
                y_value: px(y + 29.0),
                bars: bars.collect(),
            });
        }
        let head =
            |(index, measure): (usize, &&str)| Label { x: percent(room * index as f64), text: (*measure).to_owned() };
        Self {
            id: id.to_owned(),
            title,
            about,
            height: px(22.0 + LINE * lines.len() as f64),
            heads: measures.iter().enumerate().map(head).collect(),
            lines,
        }
    }
}

/// A name that fits on a phone; the table has it whole.
fn shortened(name: &str) -> String {
    const MAX: usize = 36;
    if name.chars().count() <= MAX {
        return name.to_owned();
    }
    let mut text: String = name.chars().take(MAX - 1).collect();
    text.push('…');
    text
}

fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), ToOwned::to_owned)
}

fn percent(share: f64) -> String {
    format!("{:.3}%", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(values: Vec<Vec<f64>>) -> Columns {
        let count = values.len() as f64;
        let of = |(index, values): (usize, Vec<f64>)| Column {
            from: index as f64 / count,
            to: (index + 1) as f64 / count,
            values,
            hint: "<b>".into(),
        };
        let labels = (0..24).map(|hour| (f64::from(hour) / 24.0, format!("{hour}"))).collect();
        let columns = values.into_iter().enumerate().map(of).collect();
        let (title, about) = ("Hours & days".to_owned(), "about".to_owned());
        Columns::of(Series { id: "load", title, about, classes: &["allow", "block"], counts: true, columns, labels })
    }

    #[test]
    fn columns_stand_on_each_other_and_on_the_ground_and_little_is_seen() {
        let chart = columns(vec![vec![30.0, 10.0], vec![1_000.0, 0.1], vec![0.0, 0.0]]);
        let ends = |column: &Drawn| {
            let number = |text: &str| text.parse::<f64>().expect("a number");
            column.parts.iter().map(|part| (number(&part.y), number(&part.height))).collect::<Vec<_>>()
        };
        let first = ends(&chart.columns[0]);
        assert!((first[0].0 + first[0].1 - HEIGHT).abs() < 0.2 && (first[1].0 + first[1].1 - first[0].0).abs() < 0.2);
        assert!(ends(&chart.columns[1])[1].1 >= 1.5);
        assert!(chart.columns[2].parts.is_empty());
        assert_eq!(chart.labels.len(), LABELS_MAX);
    }

    #[test]
    fn what_is_drawn_is_escaped() {
        let text = columns(vec![vec![1.0, 0.0]]).render().expect("it renders");
        assert!(text.contains("Hours &#38; days") && text.contains("&#60;b&#62;"), "{text}");
        let names =
            [("<script>".to_owned(), vec![(1.0, "1".to_owned())]), ("é".repeat(50), vec![(0.0, "0".to_owned())])];
        let text = Bars::of("b", "t".into(), "a".into(), &["m"], &names).render().expect("it renders");
        assert!(!text.contains("<script>") && text.contains('…'), "{text}");
    }
}
