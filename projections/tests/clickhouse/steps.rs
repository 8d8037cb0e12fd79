//! A crash between any two steps of a batch, an acknowledgement that is lost, a kill where the engine names a part: after the same batch
//! is written again, tables and rollups are what the events make.
//!
//! Before the intent nothing of a batch is in the store; after it, exactly the same batch is written again by whoever comes next, which
//! is here a sink that knows nothing of the first one.

use crate::{
    database::TestDatabase,
    events::{Generator, batch, together},
    oracle::{assert_purchases, assert_transactions},
};
use millrace_local::{Part, Sandbox, SandboxOptions};
use millrace_projections::clickhouse::tables;
use millrace_runtime::sink::{Batch, Sink as _, SinkError};
use millrace_schemas::{
    Event, Topic,
    event::{Purchase, TransactionScore},
};
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// Everything that an insert of a topic writes, in order: tables and what they feed.
fn written(topic: Topic) -> Vec<&'static str> {
    let tables = tables::of_topic(topic).iter();
    let fed = |table: &&'static str| {
        tables::ROLLUPS.iter().filter(|it| it.fed_by == *table).map(|it| it.name).collect::<Vec<_>>()
    };
    tables.flat_map(|table| [vec![*table], fed(table)].concat()).collect()
}

/// A batch of two partitions.
fn halves<E: Event>(first: i64, events: &[E]) -> Batch {
    let (left, right) = events.split_at(events.len() / 2);
    together([batch(0, first, left), batch(1, first + left.len() as i64, right)])
}

/// Events of both kinds, and what was written of them so far.
struct Written {
    generator: Generator,
    scores: Vec<TransactionScore>,
    purchases: Vec<Purchase>,
}

impl Written {
    fn new(seed: u64) -> Self {
        Self { generator: Generator::new(seed), scores: Vec::new(), purchases: Vec::new() }
    }

    /// The next batch of a topic.
    fn next(&mut self, topic: Topic) -> Batch {
        if topic == Topic::TransactionScores {
            let (first, more) = (self.scores.len() as i64, self.generator.scores(30));
            self.scores.extend_from_slice(&more);
            halves(first, &more)
        } else {
            let (first, more) = (self.purchases.len() as i64, self.generator.purchases(30));
            self.purchases.extend_from_slice(&more);
            halves(first, &more)
        }
    }

    async fn assert_in(&self, database: &TestDatabase) {
        assert_transactions(database, &self.scores).await;
        assert_purchases(database, &self.purchases).await;
    }
}

const TOPICS: [Topic; 2] = [Topic::TransactionScores, Topic::Purchases];

#[tokio::test]
async fn a_crash_before_any_table_or_rollup_has_its_rows_changes_nothing() {
    let database = TestDatabase::migrated().await;
    let mut all = Written::new(70);
    for topic in TOPICS {
        for missing in written(topic) {
            let batch = all.next(topic);
            database.run(&format!("RENAME TABLE {{db}}.{missing}_v1 TO {{db}}.away")).await;
            database.sink().write(&batch).await.expect_err(missing);
            // Whoever comes next may crash at the same place.
            database.sink().write(&batch).await.expect_err(missing);
            database.run(&format!("RENAME TABLE {{db}}.away TO {{db}}.{missing}_v1")).await;
            database.sink().write(&batch).await.unwrap_or_else(|error| panic!("{missing}: {error}"));
            all.assert_in(&database).await;
        }
    }
}

/// Passes everything on, but swallows the answer to one insert and breaks its connection.
async fn lossy(upstream: String) -> (String, Arc<AtomicI32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("address"));
    let countdown = Arc::new(AtomicI32::new(i32::MAX));
    let counting = Arc::clone(&countdown);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&upstream).await.expect("the server");
            tokio::spawn(pass_on(client, server, Arc::clone(&counting)));
        }
    });
    (url, countdown)
}

async fn pass_on(mut client: TcpStream, mut server: TcpStream, countdown: Arc<AtomicI32>) {
    let (mut from_client, mut from_server) = (vec![0; 65_536], vec![0; 65_536]);
    let mut swallow = false;
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let Ok(count @ 1..) = read else { return };
                let is_insert = from_client[..count].starts_with(b"POST") && from_client[..count].windows(6).any(|it| it == b"INSERT");
                swallow |= is_insert && countdown.fetch_sub(1, Ordering::Relaxed) == 1;
                if server.write_all(&from_client[..count]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut from_server) => {
                let Ok(count @ 1..) = read else { return };
                if swallow || client.write_all(&from_server[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}

#[tokio::test]
async fn an_insert_whose_acknowledgement_is_lost_has_one_effect() {
    let database = TestDatabase::migrated().await;
    let upstream = database.config.url.trim_start_matches("http://").to_owned();
    let (url, countdown) = lossy(upstream).await;
    let behind = TestDatabase::with(|config| (config.url, config.database) = (url, database.config.database.clone()));
    let mut all = Written::new(71);
    for topic in TOPICS {
        for (insert, table) in (1..).zip(tables::of_topic(topic)) {
            let batch = all.next(topic);
            countdown.store(insert, Ordering::Relaxed);
            let sink = behind.sink();
            let error = sink.write(&batch).await.expect_err("no acknowledgement");
            assert!(matches!(error, SinkError::Transient(_)), "{error}");
            let stored = format!("SELECT count() FROM {{db}}.{table} WHERE _offset >= {}", batch.parts[0].first);
            assert!(database.number(&stored).await > 0, "the insert into {table} did happen");
            countdown.store(i32::MAX, Ordering::Relaxed);
            sink.write(&batch).await.expect("the same process writes it again");
            database.sink().write(&batch).await.expect("so does another one");
            all.assert_in(&database).await;
        }
    }
}

/// The engine notes a token before it names the part. Killed between, it would take the batch for written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_where_the_engine_names_a_part_of_any_table_or_rollup_loses_nothing() {
    let options = SandboxOptions { parts: vec![Part::ClickHouse], ..SandboxOptions::default() };
    let sandbox = tokio::task::block_in_place(|| Sandbox::with(options)).expect("a sandbox");
    let mut cases = Vec::new();
    for topic in TOPICS {
        for victim in written(topic) {
            let database = TestDatabase::with(|config| config.url = sandbox.clickhouse());
            database.clickhouse.migrate().await.expect("migrations");
            let mut all = Written::new(72);
            let batch = all.next(topic);
            database.sink().write(&batch).await.expect("batch");
            let path = format!(
                "SELECT path FROM system.parts WHERE database = '{}' AND table = '{victim}_v1' AND rows > 0",
                database.clickhouse.database()
            );
            let parts: Vec<String> = database.clickhouse.query(&path).fetch_all().await.expect("parts");
            assert_eq!(parts.len(), 1, "{victim}");
            cases.push((victim, database, all, batch, parts));
        }
    }
    tokio::task::block_in_place(|| {
        sandbox.kill(Part::ClickHouse).expect("it is killed");
        for (_, _, _, _, parts) in &cases {
            fs::remove_dir_all(&parts[0]).expect("a part without its name is none");
        }
        sandbox.restart(Part::ClickHouse).expect("it starts again");
    });
    for (victim, database, all, batch, _) in &cases {
        database.sink().write(batch).await.unwrap_or_else(|error| panic!("{victim}: {error}"));
        all.assert_in(database).await;
    }
}
