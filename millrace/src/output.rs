//! How commands print data: aligned columns for people, JSON for programs.

use anyhow::Result;
use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

/// Form of a command's data.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct Output {
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
}

impl Output {
    /// Prints rows as columns, or as one JSON array.
    pub fn table<T: Serialize>(self, rows: &[T], heads: &[&str], cells: impl Fn(&T) -> Vec<String>) -> Result<()> {
        if self.json {
            println!("{}", serde_json::to_string_pretty(rows)?);
            return Ok(());
        }
        let lines: Vec<Vec<String>> = rows.iter().map(cells).collect();
        print!("{}", columns(heads, &lines));
        Ok(())
    }
}

/// Aligned columns; numbers to the right.
pub fn columns(heads: &[&str], lines: &[Vec<String>]) -> String {
    let width = |at: usize| {
        let cells = lines.iter().filter_map(|line| line.get(at)).map(|cell| cell.width());
        cells.chain([heads[at].width()]).max().unwrap_or(0)
    };
    let numeric = |at: usize| {
        let mut cells = lines.iter().filter_map(|line| line.get(at)).filter(|cell| !cell.is_empty()).peekable();
        cells.peek().is_some()
            && cells.all(|cell| cell.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | ' ' | '%')))
    };
    let shape: Vec<(usize, bool)> = (0..heads.len()).map(|at| (width(at), numeric(at))).collect();
    let render = |line: &[String]| {
        let cells = line.iter().zip(&shape).map(|(cell, (width, right))| {
            let padding = " ".repeat(width.saturating_sub(cell.width()));
            if *right { format!("{padding}{cell}") } else { format!("{cell}{padding}") }
        });
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    let heads: Vec<String> = heads.iter().map(|head| head.to_uppercase()).collect();
    std::iter::once(heads.as_slice()).chain(lines.iter().map(Vec::as_slice)).map(render).collect()
}

/// Seconds in the two largest units that matter.
pub fn age(seconds: i64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_numbers_stand_to_the_right() {
        let lines = [vec!["кафе".to_owned(), "9.50".to_owned()], vec!["shop".to_owned(), "10.00".to_owned()]];
        assert_eq!(columns(&["place", "mean"], &lines), "PLACE   MEAN\nкафе    9.50\nshop   10.00\n");
    }

    #[test]
    fn ages_are_said_in_the_two_largest_units() {
        let ages = [5, 65, 3_725, 90_000].map(age);
        assert_eq!(ages, ["5s", "1m05s", "1h02m", "1d01h"]);
    }
}
