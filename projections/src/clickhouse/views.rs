//! Public names: views over the live set. Those of tables have the tables' columns and comments; those of rollups are defined.

use super::{ClickHouse, ClickHouseError, definition::Definition, migrate::statements, set::Set, tables};
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

/// A view and its statement.
#[derive(Debug, Row, Deserialize)]
struct View {
    name: String,
    statement: String,
}

/// Makes every public name show a set. One that already does is left as it is, unless all are to be made anew. Each name changes at
/// once: whoever reads sees one set or the other.
pub(super) async fn publish(
    clickhouse: &ClickHouse,
    definition: &Definition,
    set: Set,
    anew: bool,
) -> Result<(), ClickHouseError> {
    let database = clickhouse.database();
    let views = clickhouse.query(
        "SELECT name, create_table_query AS statement FROM system.tables WHERE database = ? AND engine = 'View'",
    );
    let views: Vec<View> = clickhouse.deadline(views.bind(database.as_str()).fetch_all()).await?;
    let shows_set = |name: &str| {
        let stored = format!("{database}.{}", set.stored_as(name));
        let view = views.iter().find(|view| view.name == name);
        view.is_some_and(|view| view.statement.split([' ', ')', '(']).any(|word| word == stored))
    };
    let query = clickhouse
        .query("SELECT table, name, type, comment FROM system.columns WHERE database = ? ORDER BY table, position")
        .bind(database.as_str());
    let columns: Vec<Described> = clickhouse.deadline(query.fetch_all()).await?;
    for name in tables::names() {
        let stored = set.stored_as(name);
        let of = |table: &str| -> Vec<String> {
            columns.iter().filter(|column| column.table == table).map(definition_of).collect()
        };
        let (shown, wanted) = (of(name), of(&stored));
        if wanted.is_empty() || !anew && shown == wanted && shows_set(name) {
            continue;
        }
        let wanted = wanted.join(", ");
        let sql = format!("CREATE OR REPLACE VIEW {database}.{name} ({wanted}) AS SELECT * FROM {database}.{stored}");
        clickhouse.execute(&sql).await?;
    }
    for sql in statements(&definition.names) {
        let name = sql.lines().next().and_then(|line| line.rsplit_once('.')).map_or("", |(_, name)| name);
        if anew || !shows_set(name) {
            clickhouse.execute(&clickhouse.ddl.fill_in(&sql, set)).await?;
        }
    }
    Ok(())
}

fn definition_of(column: &Described) -> String {
    format!("`{}` {} COMMENT {}", column.name, column.r#type, quoted(&column.comment))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
