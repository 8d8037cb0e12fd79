//! Public names: views over the tables of a set, with the same columns and comments.

use super::{
    ClickHouse, ClickHouseError,
    tables::{self, stored_as},
};
use clickhouse::Row;
use serde::Deserialize;

/// A column as the database describes it.
#[derive(Debug, Clone, PartialEq, Eq, Row, Deserialize)]
struct Described {
    table: String,
    name: String,
    r#type: String,
    comment: String,
}

/// Makes every public name show its table; one that already does is left as it is.
pub(super) async fn publish(clickhouse: &ClickHouse) -> Result<(), ClickHouseError> {
    let database = clickhouse.database();
    let query = clickhouse
        .query("SELECT table, name, type, comment FROM system.columns WHERE database = ? ORDER BY table, position")
        .bind(database.as_str());
    let columns: Vec<Described> = clickhouse.deadline(query.fetch_all()).await?;
    for name in tables::names() {
        let stored = stored_as(name);
        let of = |table: &str| -> Vec<String> {
            columns.iter().filter(|column| column.table == table).map(definition).collect()
        };
        let (shown, wanted) = (of(name), of(&stored));
        if wanted.is_empty() || shown == wanted {
            continue;
        }
        let create = if shown.is_empty() { "CREATE VIEW IF NOT EXISTS" } else { "CREATE OR REPLACE VIEW" };
        clickhouse
            .execute(&format!(
                "{create} {database}.{name} ({}) AS SELECT * FROM {database}.{stored}",
                wanted.join(", ")
            ))
            .await?;
    }
    Ok(())
}

fn definition(column: &Described) -> String {
    format!("`{}` {} COMMENT {}", column.name, column.r#type, quoted(&column.comment))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
