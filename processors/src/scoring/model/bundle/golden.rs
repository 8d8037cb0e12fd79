//! Golden rows: features and the score they must have.

use super::{BundleError, Manifest};

/// Fewer rows prove too little.
pub const GOLDEN_ROWS_MIN: usize = 50;

/// The golden rows of a bundle.
#[derive(Debug, Clone, PartialEq)]
pub struct Golden {
    rows: Vec<GoldenRow>,
}

/// Features as the model takes them, and the score they must have.
#[derive(Debug, Clone, PartialEq)]
pub struct GoldenRow {
    /// Its line in the file, counted from 1.
    pub line: u64,
    /// In the manifest's order, with its defaults for what is left empty.
    pub row: Vec<f32>,
    /// The calibrated probability.
    pub score: f64,
}

impl Golden {
    /// Every row, in the file's order.
    pub fn rows(&self) -> &[GoldenRow] {
        &self.rows
    }

    pub(super) fn parse(text: &str, manifest: &Manifest) -> Result<Self, BundleError> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
        let wanted: Vec<&str> = manifest.features.iter().map(|input| input.name.name()).chain(["score"]).collect();
        let heads = reader.headers().map_err(|error| unreadable(&error))?;
        if heads.iter().ne(wanted.iter().copied()) {
            let reason =
                format!("the heads must be the manifest's features in order, then score: {}", wanted.join(","));
            return Err(BundleError::Golden { line: 1, reason });
        }
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| unreadable(&error))?;
            let line = record.position().map_or(0, csv::Position::line);
            rows.push(golden_row(line, &record, manifest).map_err(|reason| BundleError::Golden { line, reason })?);
        }
        if rows.len() < GOLDEN_ROWS_MIN { Err(BundleError::FewGoldenRows(rows.len())) } else { Ok(Self { rows }) }
    }
}

fn golden_row(line: u64, record: &csv::StringRecord, manifest: &Manifest) -> Result<GoldenRow, String> {
    let number = |cell: &str, head: &str| -> Result<f64, String> {
        let number = cell.parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| format!("{head} is {cell:?}, which is no finite number"))
    };
    let row = manifest.features.iter().zip(record).map(|(input, cell)| {
        let value = if cell.is_empty() { input.default } else { number(cell, input.name.name())? };
        Ok(value as f32)
    });
    let row = row.collect::<Result<Vec<f32>, String>>()?;
    let score = number(&record[manifest.features.len()], "score")?;
    if !(0.0..=1.0).contains(&score) {
        return Err(format!("the score is {score}; it must be a probability"));
    }
    Ok(GoldenRow { line, row, score })
}

fn unreadable(error: &csv::Error) -> BundleError {
    BundleError::Golden { line: error.position().map_or(1, csv::Position::line), reason: error.to_string() }
}
