//! Who may connect, and what a client may reach.

use landlock::RulesetAttr;

use crate::support::{Endpoint, failure};

/// Whether Landlock works here, tried on a thread that then ends.
fn kernel_confines() -> bool {
    let confine =
        || landlock::Ruleset::default().handle_access(landlock::AccessFs::ReadFile)?.create()?.restrict_self();
    let tried = std::thread::spawn(confine).join().unwrap();
    tried.is_ok_and(|status| status.ruleset != landlock::RulesetStatus::NotEnforced)
}

#[tokio::test]
async fn a_password_is_asked_for_when_one_is_set() {
    let endpoint = Endpoint::start_with(&["--user=reader", "--password=secret"]).await;
    let (status, code, text) = endpoint.refused("/", "SELECT 1").await;
    assert_eq!((status, code), (401, 194), "{text}");
    let wrong = endpoint
        .post("/", "SELECT 1")
        .header("X-ClickHouse-User", "reader")
        .header("X-ClickHouse-Key", "guess")
        .send()
        .await
        .unwrap();
    let (status, code, text) = failure(wrong).await;
    assert_eq!((status, code), (403, 516));
    assert!(!text.contains("guess") && !text.contains("secret"), "{text}");
    let basic = endpoint.post("/", "SELECT 1").basic_auth("reader", Some("secret")).send().await.unwrap();
    assert_eq!(basic.text().await.unwrap(), "1\n");
    assert_eq!(endpoint.run_at("/?user=reader&password=secret", "SELECT 2").await, "2");
}

#[tokio::test]
async fn without_a_password_any_user_of_this_machine_may_connect_but_no_web_page() {
    let endpoint = Endpoint::start().await;
    let anyone = endpoint
        .post("/", "SELECT 1")
        .header("X-ClickHouse-User", "anyone")
        .header("X-ClickHouse-Key", "x")
        .send()
        .await
        .unwrap();
    assert_eq!(anyone.status(), 200);
    let page = endpoint.post("/", "SELECT 1").header("Origin", "http://example.com").send().await.unwrap();
    assert_eq!(failure(page).await.1, 497);
    let rebound = endpoint.post("/", "SELECT 1").header("Host", "example.com").send().await.unwrap();
    assert_eq!(failure(rebound).await.1, 497);
}

#[tokio::test]
async fn clients_reach_nothing_beside_the_databases() {
    let endpoint = Endpoint::start().await;
    for sql in [
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "INSERT INTO FUNCTION file('/tmp/x.csv', 'CSV', 'a Int8') SELECT 1",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
        "SELECT * FROM remote('127.0.0.1:1', system.one)",
        "SELECT * FROM s3('http://127.0.0.1:1/x.csv')",
        "CREATE TABLE f (a String) ENGINE = File(CSV, '/tmp/x.csv')",
        "CREATE DICTIONARY d (a String, b String) PRIMARY KEY a SOURCE(EXECUTABLE(COMMAND 'id' FORMAT 'TSV')) LAYOUT(COMPLEX_KEY_HASHED()) LIFETIME(0)",
        "CREATE USER other IDENTIFIED BY 'x'",
        "GRANT ALL ON *.* TO default",
        "SYSTEM SHUTDOWN",
    ] {
        let (status, code, text) = endpoint.refused("/", sql).await;
        assert_eq!((status, code), (403, 497), "{sql}: {text}");
    }
}

#[tokio::test]
async fn files_outside_the_data_directory_cannot_be_read_by_any_function() {
    if !kernel_confines() {
        println!("this kernel has no Landlock: the endpoint warns of it, and nothing holds `file()`");
        return;
    }
    let endpoint = Endpoint::start().await;
    endpoint.run("CREATE TABLE t (a String) ENGINE = Memory").await;
    for sql in ["SELECT file('/etc/passwd')", "INSERT INTO t VALUES (file('/etc/passwd'))"] {
        let (_, _, text) = endpoint.refused("/", sql).await;
        assert!(!text.contains("root:"), "{sql}: {text}");
    }
}

#[tokio::test]
async fn statements_over_the_limit_are_refused_at_once() {
    let endpoint = Endpoint::start_with(&["--max-concurrent-queries=2"]).await;
    let slow = || endpoint.post("/", "SELECT sleep(3)").send();
    let over = async {
        endpoint.until_active(2).await;
        let response = endpoint.post("/", "SELECT 1").send().await.unwrap();
        assert_eq!(response.headers()["retry-after"], "1");
        let (status, code, text) = failure(response).await;
        assert_eq!((status, code), (503, 202), "{text}");
        assert_eq!(endpoint.http.get(endpoint.at("/ping")).send().await.unwrap().status(), 200);
    };
    let (a, b, ()) = tokio::join!(slow(), slow(), over);
    assert_eq!((a.unwrap().status().as_u16(), b.unwrap().status().as_u16()), (200, 200));
    assert_eq!(endpoint.run("SELECT 1").await, "1");
}

#[tokio::test]
async fn a_directory_in_use_and_an_open_address_are_refused_with_a_sentence() {
    let endpoint = Endpoint::start().await;
    let error = Endpoint::fails_to_start(endpoint.directory(), &[]).await;
    assert!(error.contains(&format!("is used by process {}", endpoint.pid())), "{error}");
    let temp = tempfile::tempdir().unwrap();
    let error = Endpoint::fails_to_start(temp.path(), &["--listen=0.0.0.0:0"]).await;
    assert!(error.contains("set a user and password"), "{error}");
    let error = Endpoint::fails_to_start(temp.path(), &["--library=/nowhere.so"]).await;
    assert!(error.contains("make parts"), "{error}");
}
