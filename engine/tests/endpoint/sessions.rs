//! Sessions keep what belongs to them and nothing else.

use crate::support::Endpoint;

#[tokio::test]
async fn a_session_keeps_its_tables_and_settings() {
    let endpoint = Endpoint::start().await;
    endpoint.run_at("/?session_id=s", "CREATE TEMPORARY TABLE mine (a Int8)").await;
    endpoint.run_at("/?session_id=s", "INSERT INTO mine VALUES (5)").await;
    endpoint.run_at("/?session_id=s", "SET max_threads = 3").await;
    let threads = "SELECT getSetting('max_threads')";
    assert_eq!(endpoint.run_at("/?session_id=s", "SELECT a FROM mine").await, "5");
    assert_eq!(endpoint.run_at("/?session_id=s", threads).await, "3");
    assert_eq!(endpoint.refused("/?session_id=other", "SELECT a FROM mine").await.1, 60);
    assert_ne!(endpoint.run(threads).await, "3");
}

#[tokio::test]
async fn what_a_request_sets_in_its_url_does_not_stay_in_its_session() {
    let endpoint = Endpoint::start().await;
    endpoint.run("CREATE DATABASE other").await;
    let state = "SELECT currentDatabase(), getSetting('max_threads'), getSetting('max_block_size')";
    endpoint.run_at("/?session_id=s", "SET max_threads = 3").await;
    let before = endpoint.run_at("/?session_id=s", state).await;
    assert_eq!(
        endpoint.run_at("/?session_id=s&database=other&max_threads=9&max_block_size=11", state).await,
        "other\t9\t11"
    );
    assert_eq!(endpoint.run_at("/?session_id=s", state).await, before);
    assert_eq!(endpoint.refused("/?session_id=s&max_threads=8&nonsense=1", "SELECT 1").await.1, 115);
    assert_eq!(endpoint.run_at("/?session_id=s", state).await, before);
}

#[tokio::test]
async fn a_session_serves_one_request_at_a_time() {
    let endpoint = Endpoint::start().await;
    let slow = endpoint.post("/?session_id=s", "SELECT sleep(2)").send();
    let second = async {
        endpoint.until("SELECT count() > 0 FROM system.processes WHERE query LIKE 'SELECT sleep(2)%'", "1").await;
        endpoint.refused("/?session_id=s", "SELECT 1").await.1
    };
    let (slow, code) = tokio::join!(slow, second);
    assert_eq!((slow.unwrap().status().as_u16(), code), (200, 373));
    assert_eq!(endpoint.run_at("/?session_id=s", "SELECT 1").await, "1");
}

#[tokio::test]
async fn a_session_ends_when_closed_or_idle() {
    let endpoint = Endpoint::start().await;
    assert_eq!(endpoint.refused("/?session_id=s&session_check=1", "SELECT 1").await.1, 372);
    endpoint.run_at("/?session_id=s", "SELECT 1").await;
    assert_eq!(endpoint.run_at("/?session_id=s&session_check=1&close_session=1", "SELECT 2").await, "2");
    assert_eq!(endpoint.refused("/?session_id=s&session_check=1", "SELECT 1").await.1, 372);
    endpoint.run_at("/?session_id=t&session_timeout=0", "SELECT 1").await;
    assert_eq!(endpoint.refused("/?session_id=t&session_check=1", "SELECT 1").await.1, 372);
    assert_eq!(endpoint.refused("/?session_id=t&session_timeout=9999", "SELECT 1").await.1, 374);
}
