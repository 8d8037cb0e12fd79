//! The live stream on a real broker: what comes, what a client that comes back gets, and who is sent away.

use millrace_ingest::GatewayConfig;
use millrace_projections::query::StreamConfig;
use millrace_runtime::{Headers, headers, producer::EventProducer};
use millrace_schemas::{
    Topic,
    event::{Decision, TransactionScore},
    ids,
};
use millrace_tests::{
    Deployment,
    deployment::SOON,
    sse::{self, Sent, Stream},
    wait::until,
};
use serde_json::{Value as Json, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

const PATH: &str = "/api/v1/stream";
const CUSTOMERS: [&str; 6] = ["anna", "boris", "chloé", "dmitri", "眞理", "fatima"];
/// Nothing more comes of what was written when nothing came for this long.
const QUIET: Duration = Duration::from_millis(1_500);

/// A score as its topic's example has it, of one of the customers; its id and its place in the journal are its number.
fn score(number: usize, decision: Decision) -> TransactionScore {
    let example = include_str!("../../schemas/avro/transaction-scores/v1.example.json");
    let mut examples: Vec<TransactionScore> = serde_json::from_str(example).expect("the schema's example");
    let mut score = examples.swap_remove(0);
    score.transaction.customer_id = CUSTOMERS[number % CUSTOMERS.len()].into();
    score.transaction.transaction_id = format!("t{number}");
    score.trn_id = ids::trn_id(Topic::Transactions, &score.transaction.customer_id, &format!("t{number}")).to_string();
    score.source.offset = number as i64;
    score.decision = decision;
    score
}

/// Writes scores as the scoring processor does: beside their journal partition, with their source.
struct Writer {
    producer: EventProducer,
    partitions: BTreeMap<String, i32>,
}

impl Writer {
    /// One score of each customer is in the log then, with the numbers 0 to 5.
    async fn new(deployment: &Deployment) -> Self {
        let producer = EventProducer::connect(&deployment.log, "scores").await.expect("schemas");
        let mut partitions = BTreeMap::new();
        for (number, customer) in CUSTOMERS.into_iter().enumerate() {
            let appended = producer.append(&score(number, Decision::Allow), Headers::new()).await.expect("appended");
            partitions.insert(customer.to_owned(), appended.partition);
        }
        assert!(partitions.values().collect::<BTreeSet<_>>().len() > 1, "several partitions are used: {partitions:?}");
        Self { producer, partitions }
    }

    async fn write(&self, score: &TransactionScore) {
        self.write_with(score, Headers::new()).await;
    }

    async fn write_with(&self, score: &TransactionScore, headers: Headers) {
        let partition = self.partitions[&score.transaction.customer_id];
        let source = format!("transactions/{partition}/{}/0", score.source.offset);
        self.producer.append(score, headers.with(headers::SOURCE, source)).await.expect("appended");
    }

    /// Allowed ones with these numbers.
    async fn write_all(&self, numbers: std::ops::Range<usize>) {
        for number in numbers {
            self.write(&score(number, Decision::Allow)).await;
        }
    }
}

/// The number of a score.
fn number(sent: &Sent) -> usize {
    sent.data["transaction_id"].as_str().and_then(|id| id[1..].parse().ok()).unwrap_or_else(|| panic!("{sent:?}"))
}

fn numbers(sent: &[Sent]) -> Vec<usize> {
    sent.iter().map(number).collect()
}

fn sorted(sent: &[Sent]) -> Vec<usize> {
    let mut numbers = numbers(sent);
    numbers.sort_unstable();
    numbers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_is_on_the_stream_with_its_score_as_it_can_be_queried() {
    let mut deployment = Deployment::new("stream_live").await;
    let base = deployment.gateway(GatewayConfig::default()).await;
    deployment.scoring();
    deployment.projector().await;
    let mut stream = Stream::open(&format!("{base}{PATH}"), None).await.expect("a stream");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    for number in 0..30 {
        let body = json!({
            "customer_id": CUSTOMERS[number % 6], "transaction_id": format!("t{number}"), "amount": "10.99", "currency": "EUR",
            "type": 55, "merchant_id": "merchant-1", "card_bin": "411111", "ip_address": "203.0.113.7", "device_id": "device-1",
            "location": "Berlin", "channel": "online", "timestamp": "2026-03-01T10:00:00Z", "is_device_alert": number % 3 == 0,
            "is_location_alert": number % 3 == 0, "is_velocity_alert": number % 3 == 0, "card_risk_score": 0.99,
        });
        let sent = client.post(format!("{base}/api/v1/transactions")).json(&body).send().await.expect("an answer");
        assert_eq!(sent.status(), 200);
    }
    let events = stream.events(30).await;
    assert_eq!(sorted(&events), (0..30).collect::<Vec<_>>());
    let names: BTreeSet<&str> = events.iter().map(|sent| sent.name.as_str()).collect();
    assert_eq!(names, BTreeSet::from(["alert", "score"]), "some are decided to be looked at, some are not");
    for sent in &events {
        assert_eq!(sent.name == "score", sent.data["decision"] == "allow", "{sent:?}");
        let url =
            format!("{base}/api/v1/transactions/{}/score?wait_ms=10000", sent.data["trn_id"].as_str().expect("an id"));
        let queried: Json = client.get(url).send().await.expect("an answer").json().await.expect("JSON");
        assert_eq!(sent.data, queried);
        assert_eq!((&queried["amount"].to_string(), &queried["currency"]), (&"10.99".to_owned(), &json!("EUR")));
    }
    deployment.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_comes_back_gets_what_follows_their_last_event_and_nothing_twice() {
    let mut deployment = Deployment::new("stream_resume").await;
    let base = deployment.gateway(GatewayConfig::default()).await;
    let writer = Writer::new(&deployment).await;
    let url = format!("{base}{PATH}");
    let mut first = Stream::open(&url, None).await.expect("a stream");
    let beginning = first.next().await.expect("where it begins").id;
    writer.write_all(6..100).await;
    let mut seen = first.events(40).await;
    drop(first);
    writer.write_all(100..160).await;

    // A browser comes back to the same address, with the last id in the header.
    let last = seen.last().expect("an event").id.clone();
    let mut second = Stream::open(&format!("{url}?last_event_id={beginning}"), Some(&last)).await.expect("a stream");
    seen.extend(second.events(154 - 40).await);
    assert_eq!(sorted(&seen), (6..160).collect::<Vec<_>>(), "what was there before the first stream is not on it");
    for customer in CUSTOMERS {
        let own: Vec<usize> = seen.iter().filter(|sent| sent.data["customer_id"] == customer).map(number).collect();
        assert!(own.is_sorted(), "{customer}: {own:?}");
    }
    assert!(second.is_quiet_for(QUIET).await, "nothing comes twice");

    let mut third = Stream::open(&format!("{url}?last_event_id={beginning}"), None).await.expect("a stream");
    assert_eq!(sorted(&third.events(154).await), (6..160).collect::<Vec<_>>(), "the parameter alone does too");
    // After every event there is, one by one.
    for (index, sent) in seen.iter().enumerate().step_by(17).skip(3) {
        let mut again = Stream::open(&url, Some(&sent.id)).await.expect("a stream");
        let rest = again.events(154 - 1 - index).await;
        let together: Vec<Sent> = seen[..=index].iter().chain(&rest).cloned().collect();
        assert_eq!(sorted(&together), (6..160).collect::<Vec<_>>(), "after {}", sent.id);
    }
    writer.write_all(160..161).await;
    assert_eq!(number(&second.event().await), 160);
    deployment.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_copy_that_a_torn_transaction_left_is_not_shown_even_after_a_pause() {
    let mut deployment = Deployment::new("stream_torn").await;
    let base = deployment.gateway(GatewayConfig::default()).await;
    let writer = Writer::new(&deployment).await;
    let url = format!("{base}{PATH}");
    let mut live = Stream::open(&url, None).await.expect("a stream");
    let [a, b, c] = [600, 606, 612].map(|number| score(number, Decision::Allow));
    writer.write(&a).await;
    writer.write(&b).await;
    let before = live.events(2).await;
    for copy in [&a, &b, &c] {
        writer.write(copy).await;
    }
    assert_eq!(number(&live.event().await), 612);
    for (sent, rest) in [(&before[0], vec![606, 612]), (&before[1], vec![612])] {
        let mut resumed = Stream::open(&url, Some(&sent.id)).await.expect("a stream");
        assert_eq!(numbers(&resumed.events(rest.len()).await), rest);
        assert!(resumed.is_quiet_for(QUIET).await, "and no copy after it");
    }
    // What a repair writes later than its turn is new.
    writer.write_with(&score(594, Decision::Allow), Headers::new().with(headers::REPAIR, "")).await;
    assert_eq!(number(&live.event().await), 594);
    deployment.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_shows_what_was_asked_for_and_its_position_goes_on() {
    let mut deployment = Deployment::new("stream_filter").await;
    let config = StreamConfig { heartbeat_ms: 200, ..StreamConfig::default() };
    let (base, _) = deployment.streaming_gateway(GatewayConfig::default(), config).await;
    let writer = Writer::new(&deployment).await;
    let url = format!("{base}{PATH}");
    let mut alerts = Stream::open(&format!("{url}?decision=review,block"), None).await.expect("a stream");
    let mut anna = Stream::open(&format!("{url}?customer_id=anna"), None).await.expect("a stream");
    let mut both =
        Stream::open(&format!("{url}?decision=block&customer_id=%E7%9C%9E%E7%90%86"), None).await.expect("a stream");
    let mut nobody = Stream::open(&format!("{url}?customer_id=nobody"), None).await.expect("a stream");
    let begin = nobody.next().await.expect("where it begins").id;
    for number in 6..66 {
        writer.write(&score(number, Decision::ALL[number / 6 % 3])).await;
    }
    let of = |wanted: &dyn Fn(usize) -> bool| (6..66).filter(|number| wanted(*number)).collect::<Vec<_>>();
    let decided = |number: usize| number / 6 % 3;
    let expected = of(&|number| decided(number) > 0);
    let seen = alerts.events(expected.len()).await;
    assert_eq!(sorted(&seen), expected);
    assert!(
        seen.iter()
            .all(|sent| sent.name == "alert" && (sent.data["is_fraud"] == true) == (sent.data["decision"] == "block"))
    );
    assert_eq!(numbers(&anna.events(10).await), of(&|number| number % 6 == 0));
    let expected = of(&|number| number % 6 == 4 && decided(number) == 2);
    assert_eq!(numbers(&both.events(expected.len()).await), expected);

    // Comments carry the position, so nothing that was passed over is read again.
    let end = &seen.last().expect("an event").id;
    assert_ne!(&begin, end);
    let deadline = Instant::now() + SOON;
    while &nobody.next().await.expect("a comment").id != end {
        assert!(Instant::now() < deadline, "the comments do not come to {end}");
    }
    writer.write_all(66..67).await;
    let mut resumed = Stream::open(&url, Some(end)).await.expect("a stream");
    assert_eq!(number(&resumed.event().await), 66);
    deployment.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_client_more_than_there_is_room_for_is_told_when_to_come_again() {
    let mut deployment = Deployment::new("stream_room").await;
    let config = StreamConfig { clients_max: 2, ..StreamConfig::default() };
    let (base, _) = deployment.streaming_gateway(GatewayConfig::default(), config).await;
    let url = format!("{base}{PATH}");
    let first = Stream::open(&url, None).await.expect("a stream");
    let _second = Stream::open(&url, None).await.expect("a stream");
    let third = Stream::open(&url, None).await.err().expect("no room");
    assert_eq!(
        (third.status, third.code.as_str(), third.retry_after.is_some()),
        (503, "too_many_streams", true),
        "{third:?}"
    );
    drop(first);
    let room = || async { Stream::open(&url, None).await.map(|_| ()).map_err(|refused| refused.status) };
    let _stream = until("room after a client left", SOON, room, Result::is_ok).await;
    deployment.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_that_is_not_in_the_log_is_refused_and_never_begun_anew_in_silence() {
    let mut deployment = Deployment::new("stream_gone").await;
    let base = deployment.gateway(GatewayConfig::default()).await;
    let writer = Writer::new(&deployment).await;
    let url = format!("{base}{PATH}");
    let mut stream = Stream::open(&url, None).await.expect("a stream");
    writer.write_all(6..7).await;
    let good = stream.event().await.id;
    let (log, rest) = good.split_once('.').expect("a position");
    let partitions: Vec<&str> = rest.split('.').collect();
    let beyond = format!("{log}.0-999999.{}", partitions[1..].join("."));
    let fewer = format!("{log}.{}", partitions[..2].join("."));
    let other = format!("00000000.{rest}");
    for (id, status, code, words) in [
        (good.as_str(), 200, "", ""),
        (&beyond, 410, "position_gone", "not 999999"),
        (&fewer, 410, "position_gone", "2 partitions"),
        (&other, 410, "position_gone", "another log"),
        ("yesterday", 400, "bad_parameter", "not a position"),
        ("42", 400, "bad_parameter", "not a position"),
    ] {
        for (url, header) in [(url.clone(), Some(id)), (format!("{url}?last_event_id={id}"), None)] {
            match Stream::open(&url, header).await {
                Ok(_) => assert_eq!(status, 200, "{id}"),
                Err(refused) => {
                    assert_eq!((refused.status, refused.code.as_str()), (status, code), "{id}: {refused:?}");
                    assert!(refused.detail.contains(words), "{refused:?}");
                }
            }
        }
    }
    for parameters in ["decision=deny", "decision=", "customer_id=", "from=now"] {
        let refused = Stream::open(&format!("{url}?{parameters}"), None).await.err().expect("refused");
        assert_eq!((refused.status, refused.code.as_str()), (400, "bad_parameter"), "{parameters}");
    }
    deployment.stop().await;
}

/// A client that asks for the stream and reads nothing of it.
async fn silent(base: &str, last_event_id: &str) -> TcpStream {
    let address = base.strip_prefix("http://").expect("an address").parse().expect("an address");
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("a small buffer");
    let mut stream = socket.connect(address).await.expect("a connection");
    let request = format!("GET {PATH} HTTP/1.1\r\nhost: x\r\nlast-event-id: {last_event_id}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    stream
}

/// More than fits all the buffers on the way to a client: 24 MB.
async fn write_large(writer: &Writer) -> std::ops::Range<usize> {
    for number in 6..246 {
        let mut large = score(number, Decision::Block);
        large.reasons[0].text = "x".repeat(100_000);
        writer.write(&large).await;
    }
    6..246
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stops_reading_is_disconnected_and_can_go_on_later() {
    let mut deployment = Deployment::new("stream_slow").await;
    let config = StreamConfig { clients_max: 1, queue_max_events: 4, slow_after_ms: 500, ..StreamConfig::default() };
    let (base, _) = deployment.streaming_gateway(GatewayConfig::default(), config).await;
    let url = format!("{base}{PATH}");
    let writer = Writer::new(&deployment).await;
    let begin = Stream::open(&url, None).await.expect("a stream").next().await.expect("where it begins").id;
    let written = write_large(&writer).await;
    let room = || async { Stream::open(&url, None).await.is_ok() };
    until("the only place", SOON, room, |room| *room).await;
    let mut connection = loop {
        // The probe's place is free as soon as its thread has seen it leave.
        let mut connection = silent(&base, &begin).await;
        let mut status = [0; 12];
        connection.read_exact(&mut status).await.expect("a status line");
        if status.ends_with(b"200") {
            break connection;
        }
    };

    // Its place is taken until the server gives up on it; a client that reads gets it then.
    let mut reading = until_open(&url, &begin).await;
    assert_eq!(sorted(&reading.events(written.len()).await), written.clone().collect::<Vec<_>>());
    drop(reading);
    let mut received = Vec::new();
    let ended = timeout(SOON, connection.read_to_end(&mut received)).await;
    assert!(ended.is_ok(), "the connection is closed");
    let text = String::from_utf8_lossy(&received);
    // Frames of the transfer stand between events; the blank line ends one.
    let whole: Vec<Sent> = text
        .split("\n\n")
        .filter_map(|block| block.find("id: ").map(|at| &block[at..]))
        .filter(|block| block.rsplit_once("data: ").is_some_and(|(_, data)| serde_json::from_str::<Json>(data).is_ok()))
        .map(sse::parse)
        .collect();
    assert!(!whole.is_empty() && whole.len() < written.len(), "it got a part: {} of {}", whole.len(), written.len());
    let mut resumed = until_open(&url, &whole.last().expect("an event").id).await;
    let rest = resumed.events(written.len() - whole.len()).await;
    let together: Vec<Sent> = whole.into_iter().chain(rest).collect();
    assert_eq!(sorted(&together), written.collect::<Vec<_>>());
    deployment.stop().await;
}

/// A stream as soon as there is room.
async fn until_open(url: &str, last_event_id: &str) -> Stream {
    let deadline = Instant::now() + SOON;
    loop {
        match Stream::open(url, Some(last_event_id)).await {
            Ok(stream) => return stream,
            Err(refused) => assert!(refused.status == 503 && Instant::now() < deadline, "{refused:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_does_not_wait_for_streams_read_or_not() {
    let mut deployment = Deployment::new("stream_end").await;
    let config = StreamConfig { queue_max_events: 4, slow_after_ms: 600_000, ..StreamConfig::default() };
    let gateway = GatewayConfig { drain_timeout_ms: 60_000, ..GatewayConfig::default() };
    let (base, shutdown) = deployment.streaming_gateway(gateway, config).await;
    let url = format!("{base}{PATH}");
    let writer = Writer::new(&deployment).await;
    let mut reading = Stream::open(&url, None).await.expect("a stream");
    let begin = reading.next().await.expect("where it begins").id;
    let mut stuck = silent(&base, &begin).await;
    let mut status = [0; 12];
    stuck.read_exact(&mut status).await.expect("a status line");
    let written = write_large(&writer).await;
    assert_eq!(reading.events(written.len()).await.len(), written.len());

    let began = Instant::now();
    shutdown.cancel();
    while reading.next().await.is_some() {}
    deployment.stop().await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(10), "the drain took {took:?}");
}
