//! The whole public data sets through real processes, from `millrace loadgen send` to the tables, against oracles that read the
//! files themselves. Run by `make test-full DATA=folder`; the folder holds `online_retail.csv.gz` and `sparkov_sample.parquet`.

use millrace_schemas::{Topic, event::Transaction, money::parse_money};
use millrace_tests::{
    Deployment, Service, Services,
    oracle::{self, Disorder, Tally, Verdict, Verdicts, windows_of},
    outcomes::{Position, events},
    python, rollups,
    services::binary,
    wait::until,
};
use serde_json::Value as Json;
use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

const MAPPINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/mappings");
/// How long the pipeline may take to finish what was sent.
const DONE_WITHIN: Duration = Duration::from_secs(300);
/// Transactions of the labelled file.
const TRANSACTIONS: usize = 177_589;

fn data(name: &str) -> PathBuf {
    let folder =
        std::env::var_os("MILLRACE_DATA").expect("MILLRACE_DATA names no folder; run `make test-full DATA=folder`");
    PathBuf::from(folder).join(name)
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("the program starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// `millrace loadgen send` with its report as JSON.
async fn send(services: &Services, arguments: &[&str], file: &Path) -> Json {
    let mut command = Command::new(binary());
    command
        .args(["loadgen", "send", "--quiet", "--json", "--gateway", &services.url(Service::Gateway)])
        .args(arguments);
    command.arg("--answers").arg(services.folder().join("answers.ndjson")).arg(file);
    let report = tokio::task::spawn_blocking(move || run(&mut command)).await.expect("it is sent");
    let report: Json = serde_json::from_str(&report).expect("a report");
    eprintln!("{}: {} at {} items/s", file.display(), report["items"], report["items_per_second"]);
    report
}

/// Rows as texts by name, so that figures compare whether they came as numbers or as texts.
fn texts(rows: &[Json]) -> Vec<BTreeMap<String, String>> {
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let fields =
        |row: &Json| row.as_object().expect("a row").iter().map(|(name, value)| (name.clone(), text(value))).collect();
    rows.iter().map(fields).collect()
}

async fn assert_rows(deployment: &Deployment, what: &str, sql: &str, expected: &Json) {
    let (stored, expected) = (texts(&deployment.query(sql).await), texts(expected.as_array().expect("rows")));
    for (stored, expected) in stored.iter().zip(&expected) {
        assert_eq!(stored, expected, "{what}: left is stored, right the oracle's");
    }
    assert_eq!(stored.len(), expected.len(), "rows of {what}");
    assert!(!expected.is_empty(), "{what}");
}

const RECEIPT_SUMS: &str = "sum(purchases) AS purchases, toInt64(sum(purchase_total) * 10000) AS purchases_amount,
    sum(returns) AS returns, toInt64(sum(return_total) * 10000) AS returns_amount, sum(zeros) AS zeros,
    toInt64(sum(purchase_nds + return_nds) * 10000) AS vat_amount,
    toInt64(sum(purchase_tips + return_tips + zero_tips) * 10000) AS tips_amount FROM place_stats_15m";

const LINE_SUMS: &str = "sum(s.purchase_lines + s.return_lines + s.zero_lines) AS lines,
    toInt64(sum(s.purchase_quantity + s.return_quantity + s.zero_quantity) * 1000000) AS quantity,
    toInt64(sum(s.purchase_amount + s.return_amount + s.zero_amount) * 10000) AS amount,
    sum(s.purchase_lines) AS purchase_lines, toInt64(sum(s.purchase_amount) * 10000) AS purchase_amount,
    sum(s.return_lines) AS return_lines, toInt64(sum(s.return_amount) * 10000) AS return_amount FROM category_stats_15m AS s";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MILLRACE_DATA; run by make test-full"]
async fn the_real_receipts_are_accepted_or_refused_as_expected_and_every_sum_is_the_oracles_to_the_cent() {
    let deployment = Deployment::new("retail").await;
    let services = Services::of(&deployment, &[]);
    services.start(&[Service::Gateway, Service::Receipts, Service::Projector]);
    let (file, began) = (data("online_retail.csv.gz"), Instant::now());
    let report = send(&services, &["--mapping", &format!("{MAPPINGS}/online-retail.toml")], &file).await;
    oracle::queryable(&deployment).await;
    eprintln!("receipts: all queryable after {:.1?}", began.elapsed());

    let expected = oracle::receipts(&file);
    let count = |value: &Json| value.as_u64().expect("a count");
    assert_eq!((count(&expected["accepted"]), count(&expected["refused"])), (24_562, 1_338));
    assert_eq!(
        (&report["items"]["accepted"], &report["items"]["invalid"]),
        (&expected["accepted"], &expected["refused"])
    );
    assert_eq!(report["items"]["read"], expected["receipts"]);
    assert_eq!(report["error_codes"], expected["refused_by_code"]);
    let codes = "SELECT arrayJoin(arrayDistinct(errors.code)) AS code, count() AS receipts FROM dead_letters GROUP BY code ORDER BY code";
    let refused = expected["refused_by_code"].as_object().expect("codes");
    let refused = refused.iter().map(|(code, count)| serde_json::json!({"code": code, "receipts": count})).collect();
    assert_rows(&deployment, "dead letters", codes, &refused).await;
    assert_eq!(deployment.value("SELECT count() FROM receipts").await, expected["accepted"].to_string());
    assert_eq!(deployment.value("SELECT count() FROM receipt_items").await, expected["accepted_lines"].to_string());

    for (name, key, sums) in [("places", "place_id", RECEIPT_SUMS), ("categories", "category", LINE_SUMS)] {
        let sql = format!("SELECT {key}, currency, {sums} GROUP BY {key}, currency ORDER BY {key}, currency");
        assert_rows(&deployment, name, &sql, &expected[name]).await;
        for (grain, begin) in [("15m", "bucket"), ("1h", "toStartOfHour(bucket)"), ("1d", "toStartOfDay(bucket)")] {
            let bucket = format!("formatDateTime({begin}, '%Y-%m-%dT%H:%i:%SZ')");
            let sql = format!(
                "SELECT {bucket} AS begin, {key}, currency, {sums} GROUP BY begin, {key}, currency ORDER BY begin, {key}, currency"
            );
            let sql = format!("SELECT begin AS bucket, * EXCEPT (begin) FROM ({sql}) ORDER BY bucket, {key}, currency");
            assert_rows(&deployment, &format!("{name} by {grain}"), &sql, &expected[format!("{name}_by")][grain]).await;
        }
    }
    rollups::assert_exact(&deployment).await;
    let compared = tokio::task::block_in_place(|| oracle::figures(&services.url(Service::Gateway), &file));
    assert_eq!((&compared["receipts"], &compared["differences"]), (&expected["accepted"], &Json::from(0)));
    eprintln!("figures over HTTP that are pandas' too: {}", compared["compared"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MILLRACE_DATA; run by make test-full"]
async fn the_real_receipts_in_disorder_some_twice_and_some_late_have_the_oracles_figures() {
    let deployment = Deployment::new("disordered_retail").await;
    // A gateway that remembers no ids leaves duplicates to the processor.
    let services = Services::of(&deployment, &["gateway.remembered_ids_max=0"]);
    services.start(&[Service::Gateway, Service::Receipts, Service::Projector]);
    let (file, mapping) = (data("online_retail.csv.gz"), format!("{MAPPINGS}/online-retail.toml"));
    python::run(python::script("oracle/disorder_receipts.py").args(["--seed", "6"]).arg(&file).arg(services.folder()));
    // The last tenth comes when everything before it can be asked for.
    for part in ["timely.csv", "late.csv"] {
        send(&services, &["--mapping", &mapping], &services.folder().join(part)).await;
        oracle::queryable(&deployment).await;
    }
    let twice: u64 = deployment.value("SELECT count() FROM duplicates").await.parse().expect("a count");
    assert!(twice > 1_000, "{twice} receipts came twice");
    assert_eq!(deployment.value("SELECT count() FROM receipts").await, "24562");
    rollups::assert_exact(&deployment).await;
    let compared = tokio::task::block_in_place(|| oracle::figures(&services.url(Service::Gateway), &file));
    assert_eq!((&compared["receipts"], &compared["differences"]), (&Json::from(24_562), &Json::from(0)));
    eprintln!("figures over HTTP that are pandas' too: {}; {twice} receipts came twice", compared["compared"]);
}

/// The labelled transactions as CSV.
fn labelled(folder: &Path) -> PathBuf {
    let csv = folder.join("sparkov.csv");
    python::run(python::script("../data/tools/parquet_to_csv.py").arg(data("sparkov_sample.parquet")).arg(&csv));
    csv
}

/// Number and sum of the amounts of each customer's transactions, from the CSV file alone.
fn sums_by_customer(csv: &Path) -> BTreeMap<String, (u64, i64)> {
    let mut reader = csv::Reader::from_path(csv).expect("the file");
    let column = |headers: &csv::StringRecord, name| headers.iter().position(|it| it == name).expect("a column");
    let headers = reader.headers().expect("a header").clone();
    let (customer, amount) = (column(&headers, "customer_id"), column(&headers, "amount"));
    let mut sums = BTreeMap::<_, (u64, i64)>::new();
    for row in reader.records() {
        let row = row.expect("a row");
        let sum = sums.entry(row[customer].to_owned()).or_default();
        *sum = (sum.0 + 1, sum.1 + parse_money(&row[amount]).expect("an amount"));
    }
    sums
}

async fn stored_by_customer(deployment: &Deployment, table: &str) -> BTreeMap<String, (u64, i64)> {
    let sql = format!(
        "SELECT customer_id, count() AS count, toInt64(sum(amount) * 10000) AS sum FROM {table} GROUP BY customer_id"
    );
    let rows = deployment.query(&sql).await;
    let text = |row: &Json, name: &str| row[name].as_str().expect("a text").to_owned();
    let sums = |row: &Json| (text(row, "count").parse().expect("a count"), text(row, "sum").parse().expect("a sum"));
    rows.iter().map(|row| (text(row, "customer_id"), sums(row))).collect()
}

/// What the tables say became of the transactions. Panics when one offset has two rows.
async fn stored_verdicts(deployment: &Deployment) -> Verdicts {
    let mut verdicts = BTreeMap::new();
    let mut add = |row: &Json, verdict: Verdict| {
        let position: Position = (number(&row["source_partition"]) as i32, number(&row["source_offset"]));
        assert!(verdicts.insert(position, verdict).is_none(), "{position:?} has two rows");
    };
    let windows: Vec<String> = [3, 6, 12, 24]
        .iter()
        .map(|h| format!("customer_transaction_count_{h}h, toInt64(s.customer_avg_amount_{h}h * 10000) AS customer_avg_amount_{h}h"))
        .collect();
    let scores = format!(
        "SELECT source_partition, source_offset, window_exact, {} FROM transaction_scores AS s",
        windows.join(", ")
    );
    for row in deployment.query(&scores).await {
        let exact = row["window_exact"].as_bool().expect("exact or not");
        add(&row, Verdict::Scored(Box::new(windows_of(|name| number(&row[name]))), exact));
    }
    for row in deployment.query("SELECT source_partition, source_offset FROM duplicates").await {
        add(&row, Verdict::Duplicate);
    }
    // The gateway's own refusals come from no journal.
    let letters = "SELECT source_partition, source_offset, code FROM dead_letters WHERE source_topic = 'transactions'";
    for row in deployment.query(letters).await {
        assert_eq!(row["code"], "conflict");
        add(&row, Verdict::Conflict);
    }
    verdicts
}

fn number(value: &Json) -> i64 {
    value.as_i64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_else(|| panic!("{value} is not a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MILLRACE_DATA; run by make test-full"]
async fn the_labelled_transactions_are_all_accepted_and_every_sum_and_window_is_the_oracles() {
    let deployment = Deployment::new("sparkov").await;
    let services = Services::of(&deployment, &[]);
    services.start(&[Service::Gateway, Service::Scoring, Service::Projector]);
    let (csv, began) = (labelled(services.folder()), Instant::now());
    let report = send(&services, &["--ordered", "--mapping", &format!("{MAPPINGS}/sparkov.toml")], &csv).await;
    oracle::queryable(&deployment).await;
    eprintln!("transactions: all queryable after {:.1?}", began.elapsed());

    assert_eq!(
        (number(&report["items"]["read"]), number(&report["items"]["accepted"])),
        (TRANSACTIONS as i64, TRANSACTIONS as i64)
    );
    let expected = sums_by_customer(&csv);
    assert_eq!(expected.len(), 399);
    for table in ["transactions", "transaction_scores"] {
        assert_eq!(stored_by_customer(&deployment, table).await, expected, "{table}");
    }
    let verdicts = oracle::windows(&events::<Transaction>(&deployment).await, services.folder());
    oracle::assert_equal(&stored_verdicts(&deployment).await, &verdicts);
    assert_eq!(oracle::tally(&verdicts), Tally { scored: TRANSACTIONS, late: 0, duplicates: 0, conflicts: 0 });
    rollups::assert_exact(&deployment).await;
}

/// Sends the labelled transactions disordered, with 1 % duplicates and some conflicts, kills the processor twice meanwhile, and
/// compares the tables with the oracle. Returns how many transactions are late.
async fn late_of(order: &'static str) -> usize {
    let deployment = Deployment::new(&format!("sparkov_{order}")).await;
    // A gateway that remembers no ids leaves duplicates and conflicts to the processor.
    let services = Services::of(&deployment, &["gateway.remembered_ids_max=0"]);
    services.start(&[Service::Gateway, Service::Scoring, Service::Projector]);
    let file = disordered(order, services.folder());
    let began = Instant::now();
    let (report, ()) = tokio::join!(
        send(&services, &["--ordered", "--kind", "transactions"], &file),
        kill_at(&deployment, &services, &[TRANSACTIONS as i64 / 3, TRANSACTIONS as i64 * 2 / 3])
    );
    oracle::queryable(&deployment).await;
    eprintln!("{order}: all queryable after {:.1?}", began.elapsed());

    let journal = events::<Transaction>(&deployment).await;
    let sent = TRANSACTIONS + TRANSACTIONS.div_ceil(100) + 200;
    assert_eq!(number(&report["items"]["read"]), sent as i64);
    // Of two lines with the same id in one request, the gateway appends the first.
    let items = |name: &str| number(&report["items"][name]) as usize;
    assert_eq!((items("accepted"), items("duplicate") + items("conflict")), (journal.len(), sent - journal.len()));
    let verdicts = oracle::windows(&journal, services.folder());
    oracle::assert_equal(&stored_verdicts(&deployment).await, &verdicts);
    let Tally { scored, late, duplicates, conflicts } = oracle::tally(&verdicts);
    assert_eq!((scored, scored + duplicates + conflicts), (TRANSACTIONS, journal.len()));
    rollups::assert_exact(&deployment).await;
    eprintln!("{order}: {late} late, {duplicates} duplicates, {conflicts} conflicts");
    late
}

fn disordered(order: &'static str, folder: &Path) -> PathBuf {
    let (plain, disordered) = (folder.join("plain.ndjson"), folder.join("disordered.ndjson"));
    let mut command = Command::new(binary());
    command.args(["loadgen", "send", "--dry-run", "--mapping"]).arg(format!("{MAPPINGS}/sparkov.toml"));
    let status = command.arg(labelled(folder)).stdout(File::create(&plain).expect("a file")).status();
    assert!(status.expect("the program starts").success());
    Disorder { order, duplicates_percent: 1, conflicts: 200, seed: 11 }.apply(&plain, &disordered);
    disordered
}

/// Kills the processor whenever it has decided so many records, and starts it again.
async fn kill_at(deployment: &Deployment, services: &Services, counts: &[i64]) {
    for count in counts {
        let decided = || async {
            let lag = deployment.log.lag("scoring", &[Topic::Transactions]).await.expect("lag");
            lag.partitions.iter().filter_map(|partition| partition.committed).sum::<i64>()
        };
        until("the processor to be midway", DONE_WITHIN, decided, |decided| decided >= count).await;
        services.kill(Service::Scoring);
        services.start_again(Service::Scoring);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MILLRACE_DATA; run by make test-full"]
async fn windows_of_the_labelled_transactions_in_file_order_are_the_oracles_and_none_is_late() {
    assert_eq!(late_of("file").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MILLRACE_DATA; run by make test-full"]
async fn windows_of_the_labelled_transactions_shuffled_within_the_lateness_are_the_oracles_and_none_is_late() {
    assert_eq!(late_of("within").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MILLRACE_DATA; run by make test-full"]
async fn windows_of_the_labelled_transactions_fully_shuffled_are_the_oracles_with_exactly_its_late_ones() {
    assert!(late_of("full").await > TRANSACTIONS / 2);
}
