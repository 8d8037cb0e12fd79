//! The queries of `docs/analytics.md`, as they stand there.

use crate::{
    database::TestDatabase,
    events::{Generator, batch},
};
use millrace_runtime::sink::Sink as _;

const PAGE: &str = include_str!("../../../docs/analytics.md");

/// Queries in the order of the page, with their questions.
fn questions() -> Vec<(&'static str, &'static str)> {
    let sections = PAGE.split("\n### ").skip(1);
    sections
        .map(|section| {
            let (question, rest) = section.split_once('\n').expect("a question");
            let (_, rest) = rest.split_once("```sql\n").unwrap_or_else(|| panic!("{question} has no query"));
            (question, rest.split_once("```").expect("a query ends").0.trim())
        })
        .collect()
}

#[tokio::test]
async fn the_ten_questions_have_answers() {
    let database = TestDatabase::migrated().await;
    let (sink, mut generator) = (database.sink(), Generator::new(80));
    let purchases = generator.purchases(300);
    sink.write(&batch(0, 0, &purchases)).await.expect("purchases");
    sink.write(&batch(0, 0, &generator.scores(300))).await.expect("scores");
    let questions = questions();
    assert_eq!(questions.len(), 10);
    // As somebody asks whose client names the database.
    let client = clickhouse::Client::default().with_url(&database.config.url).with_database(&database.config.database);
    for (question, sql) in questions {
        let rows = client.query(&format!("SELECT count() FROM ({sql})")).fetch_one::<u64>().await;
        assert!(rows.unwrap_or_else(|error| panic!("{question}: {error}")) > 0, "{question} has no answer");
    }
    let renamed = "SELECT count() FROM (SELECT place_id FROM places WHERE names > 1)";
    assert_eq!(client.query(renamed).fetch_one::<u64>().await.expect("places"), 4, "each was renamed now and then");
}
