//! Sending when the gateway is slow, busy, broken, or the run is stopped.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::gateway::{Files, Gateway, accept, options, results, unavailable};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use millrace_loadgen::send::{Stop, send_until};
use millrace_loadgen::{SendOptions, send};
use tokio::net::TcpListener;
use tokio::sync::{Barrier, Notify};
use tokio::time::timeout;

/// Far more than any of these tests needs.
const DEADLINE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn items_the_gateway_could_not_store_are_sent_again_alone() {
    let seen: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
    let gateway = Gateway::start(move |request| {
        let seen = Arc::clone(&seen);
        async move {
            let mut seen = seen.lock().unwrap();
            let statuses: Vec<_> = request
                .items()
                .iter()
                .map(|item| {
                    let id = item["transaction_id"].as_str().unwrap().to_owned();
                    let times = seen.entry(id.clone()).or_default();
                    *times += 1;
                    let is_ready = *times > 2 || !id.ends_with('7');
                    if is_ready { ("accepted", None) } else { ("retry", None) }
                })
                .collect();
            results(if statuses.iter().all(|(status, _)| *status == "retry") { 503 } else { 207 }, &statuses)
        }
    })
    .await;
    let files = Files::new();
    let report = timeout(DEADLINE, send(options(&gateway, &files.receipts(100, 3)))).await.unwrap().unwrap();
    assert_eq!((report.items.accepted, report.items.unsent, report.requests, report.repeated_requests), (100, 0, 3, 2));
    for (id, times) in gateway.times_received() {
        assert_eq!(times, if id.ends_with('7') { 3 } else { 1 }, "{id}");
    }
}

#[tokio::test]
async fn a_busy_gateway_says_when_to_come_back() {
    let gateway =
        Gateway::start(
            |request| async move { if request.number == 0 { unavailable(0) } else { accept(request).await } },
        )
        .await;
    let files = Files::new();
    // Its own wait would outlast the deadline.
    let options = SendOptions { backoff_ms: 60_000, ..options(&gateway, &files.receipts(10, 1)) };
    let report = timeout(DEADLINE, send(options)).await.unwrap().unwrap();
    assert_eq!((report.items.accepted, report.requests), (10, 2));
    let gateway = Gateway::start(|request| async move {
        if request.number == 0 {
            (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")], "").into_response()
        } else {
            accept(request).await
        }
    })
    .await;
    let started = Instant::now();
    let report = timeout(DEADLINE, send(self::options(&gateway, &files.receipts(10, 1)))).await.unwrap().unwrap();
    assert_eq!(report.items.accepted, 10);
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_answer_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let files = Files::new();
    let file = files.receipts(10, 1);
    let options = SendOptions { gateway: Some(url), ..options(&Gateway::start(accept).await, &file) };
    let sending = tokio::spawn(send(options));
    let (connection, _) = timeout(DEADLINE, listener.accept()).await.unwrap().unwrap();
    drop(connection);
    let gateway = Gateway::serve(listener, accept);
    let report = timeout(DEADLINE, sending).await.unwrap().unwrap().unwrap();
    assert_eq!((report.items.accepted, report.connection_errors, gateway.received().len()), (10, 1, 1));
}

#[tokio::test]
async fn a_gateway_that_is_not_there_is_given_up() {
    let gateway = Gateway::start(accept).await;
    let files = Files::new();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let options = SendOptions {
        gateway: Some(format!("http://{closed}").parse().unwrap()),
        retry_seconds: 0,
        ..options(&gateway, &files.receipts(1000, 1))
    };
    let report = timeout(DEADLINE, send(options)).await.unwrap().unwrap();
    assert_eq!((report.items.accepted, report.exit_code()), (0, 1));
    assert!(report.items.unsent > 0);
    assert!(report.stopped.as_ref().unwrap().starts_with("gave up after 0 s"), "{report}");
}

#[tokio::test]
async fn a_refusal_of_the_sender_ends_the_run_at_once() {
    let gateway = Gateway::start(|_| async { StatusCode::UNAUTHORIZED.into_response() }).await;
    let files = Files::new();
    let report = timeout(DEADLINE, send(SendOptions { parallel: 1, ..options(&gateway, &files.receipts(1000, 1)) }))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(gateway.received().len(), 1);
    assert_eq!(report.stopped.as_deref(), Some("the gateway answered 401"));
    assert_eq!(report.exit_code(), 1);
}

#[tokio::test]
async fn requests_run_in_parallel() {
    let both = Arc::new(Barrier::new(2));
    let gateway = Gateway::start(move |request| {
        let both = Arc::clone(&both);
        async move {
            if request.number < 2 {
                timeout(DEADLINE, both.wait()).await.expect("a second request while the first is unanswered");
            }
            accept(request).await
        }
    })
    .await;
    let files = Files::new();
    for ordered in [false, true] {
        let report =
            send(SendOptions { ordered, parallel: 2, batch: 5, ..options(&gateway, &files.receipts(100, 20)) })
                .await
                .unwrap();
        assert_eq!(report.items.accepted, 100, "ordered: {ordered}");
    }
}

#[tokio::test]
async fn in_order_no_two_requests_in_flight_share_a_key_and_a_key_keeps_its_order() {
    let in_flight: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    let overlapped = Arc::new(AtomicBool::new(false));
    let (keys, flag) = (Arc::clone(&in_flight), Arc::clone(&overlapped));
    let gateway = Gateway::start(move |request| {
        let (keys, flag) = (Arc::clone(&keys), Arc::clone(&flag));
        async move {
            let mut own: Vec<String> =
                request.items().iter().map(|item| item["place_id"].as_str().unwrap().to_owned()).collect();
            own.sort();
            own.dedup();
            for key in &own {
                let is_shared = keys.lock().unwrap().insert(key.clone(), request.number).is_some();
                flag.fetch_or(is_shared, Ordering::SeqCst);
            }
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            keys.lock().unwrap().retain(|key, _| !own.contains(key));
            // Some requests fail, so that others could overtake them.
            if request.number % 5 == 4 { unavailable(0) } else { accept(request).await }
        }
    })
    .await;
    let files = Files::new();
    let options = SendOptions { ordered: true, parallel: 8, batch: 7, ..options(&gateway, &files.receipts(2000, 40)) };
    let report = timeout(DEADLINE, send(options)).await.unwrap().unwrap();
    assert_eq!(report.items.accepted, 2000);
    assert!(!overlapped.load(Ordering::SeqCst), "two requests in flight shared a key");
    let mut last: BTreeMap<String, u32> = BTreeMap::new();
    for request in gateway.received().iter().filter(|request| request.number % 5 != 4) {
        for item in request.items() {
            let number = item["transaction_id"].as_str().unwrap()[1..].parse().unwrap();
            let before = last.insert(item["place_id"].as_str().unwrap().to_owned(), number);
            assert!(before.is_none_or(|before| before < number), "{item} came after {before:?}");
        }
    }
}

#[tokio::test]
async fn a_stopped_run_waits_for_answers_in_flight_and_reports_the_rest() {
    let (arrived, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (arrive, released) = (Arc::clone(&arrived), Arc::clone(&release));
    let gateway = Gateway::start(move |request| {
        let (arrive, released) = (Arc::clone(&arrive), Arc::clone(&released));
        async move {
            arrive.notify_one();
            released.notified().await;
            accept(request).await
        }
    })
    .await;
    let files = Files::new();
    let stop = Stop::default();
    let options = SendOptions { parallel: 1, batch: 10, ..options(&gateway, &files.receipts(1000, 1)) };
    let sending = tokio::spawn(send_until(options, stop.clone()));
    timeout(DEADLINE, arrived.notified()).await.unwrap();
    stop.request("interrupted");
    release.notify_one();
    let report = timeout(DEADLINE, sending).await.unwrap().unwrap().unwrap();
    assert_eq!((report.items.accepted, gateway.received().len()), (10, 1));
    assert!(report.items.read < 1000, "reading stopped, too: {report}");
    assert_eq!(report.items.unsent, report.items.read - 10);
    assert_eq!((report.stopped.as_deref(), report.exit_code()), (Some("interrupted"), 1));
}

#[tokio::test]
async fn an_aborted_run_does_not_wait() {
    let arrived = Arc::new(Notify::new());
    let arrive = Arc::clone(&arrived);
    let gateway = Gateway::start(move |_| {
        arrive.notify_one();
        std::future::pending()
    })
    .await;
    let files = Files::new();
    let stop = Stop::default();
    let sending = tokio::spawn(send_until(options(&gateway, &files.receipts(10, 1)), stop.clone()));
    timeout(DEADLINE, arrived.notified()).await.unwrap();
    stop.abort("interrupted");
    let report = timeout(DEADLINE, sending).await.unwrap().unwrap().unwrap();
    assert_eq!((report.items.unsent, report.exit_code()), (10, 1));
}
