//! Paths beside the intake, and starting.

use crate::support::{DEFECT_KEY, MemoryLog, Running, transaction, with};
use axum::{Router, routing::get};
use http::{HeaderMap, Method, StatusCode};
use metrics_exporter_prometheus::PrometheusBuilder;
use millrace_ingest::{Gateway, GatewayConfig, serve};
use serde_json::json;
use tokio::net::TcpListener;

#[tokio::test]
async fn the_literals_that_clients_know_are_there() {
    let gateway = Running::start().await;
    let home = gateway.client.get("/").await;
    assert_eq!(
        (home.status, home.json()),
        (200, json!({"message": "Микросервис оценки финансовых транзакций запущен"}))
    );
    assert_eq!(gateway.client.get("/health").await.json(), json!({"status": "healthy"}));
    assert_eq!(gateway.client.get("/health/live").await.status, 200);
    assert_eq!(gateway.client.get("/health/ready").await.status, 200);
    let metrics = gateway.client.get("/metrics").await;
    assert_eq!((metrics.status, metrics.text.as_str()), (200, "scraped 1\n"));
    gateway.stop().await;
}

#[tokio::test]
async fn other_paths_and_methods_are_problems() {
    let gateway = Running::start().await;
    let unknown = gateway.client.get("/api/v2/transactions").await;
    assert_eq!(
        (unknown.status, unknown.header("content-type"), &unknown.json()["code"]),
        (404, Some("application/problem+json"), &json!("not_found"))
    );
    let method = gateway.client.send(Method::GET, "/api/v1/transactions", &[("accept", "application/xml")], "").await;
    assert_eq!(
        (method.status, method.header("content-type"), method.header("allow")),
        (405, Some("application/problem+xml"), Some("POST"))
    );
    assert!(method.header("x-request-id").is_some());
    gateway.stop().await;
}

#[tokio::test]
async fn further_routes_are_served_like_its_own() {
    async fn echo(headers: HeaderMap) -> (StatusCode, String) {
        let text = |name: &str| headers[name].to_str().expect("text").to_owned();
        (StatusCode::SERVICE_UNAVAILABLE, format!("{} {}", text("x-request-id"), text("traceparent")))
    }
    let routes = Router::new().route("/api/v1/echo", get(echo));
    let gateway = Running::start_beside(routes, |_| {}).await;
    let sent = [("x-request-id", "order-7")];
    let answer = gateway.client.send(Method::GET, "/api/v1/echo", &sent, "").await;
    let trace = answer.header("traceparent").expect("a trace");
    assert_eq!((answer.status, answer.text.as_str()), (503, format!("order-7 {trace}").as_str()));
    assert_eq!((answer.header("x-request-id"), answer.header("retry-after")), (Some("order-7"), Some("1")));
    let made_up = gateway.client.send(Method::GET, "/api/v1/echo", &[("x-request-id", "two words")], "").await;
    assert_eq!(made_up.header("x-request-id").map(str::len), Some(36));
    let method = gateway.client.post("/api/v1/echo", "application/json", "{}").await;
    assert_eq!((method.status, &method.json()["code"]), (405, &json!("method_not_allowed")));
    assert_eq!(gateway.client.get("/api/v1/echo/more").await.json()["code"], json!("not_found"));
    assert_eq!(gateway.client.get("/health").await.json(), json!({"status": "healthy"}));
    gateway.stop().await;
}

#[tokio::test]
async fn a_defect_is_answered_and_harms_no_other_request() {
    let gateway = Running::start().await;
    let path = "/api/v1/transactions";
    let answer = gateway.client.post_json(path, &with(transaction(), json!({"customer_id": DEFECT_KEY}))).await;
    assert_eq!((answer.status, &answer.json()["code"]), (500, &json!("internal")));
    assert_eq!(gateway.client.post_json(path, &transaction()).await.status, 202);
    gateway.stop().await;
}

#[tokio::test]
async fn requests_are_measured_by_the_names_that_dashboards_know() {
    let handle = PrometheusBuilder::new().install_recorder().expect("the only recorder of this process");
    let gateway = Running::start().await;
    gateway.client.post_json("/api/v1/transactions/", &transaction()).await;
    gateway.client.post_json("/api/v1/transactions", &json!({})).await;
    gateway.client.get("/nowhere").await;
    let text = handle.render();
    for line in [
        "antifraud_requests_total{method=\"POST\",endpoint=\"/api/v1/transactions\",status_code=\"202\"}",
        "antifraud_requests_total{method=\"POST\",endpoint=\"/api/v1/transactions\",status_code=\"422\"}",
        "antifraud_requests_total{method=\"GET\",endpoint=\"unmatched\",status_code=\"404\"}",
        "antifraud_request_duration_seconds_count{method=\"POST\",endpoint=\"/api/v1/transactions\"}",
        "antifraud_active_requests ",
        "millrace_gateway_items_total{topic=\"transactions\",outcome=\"accepted\"}",
        "millrace_gateway_items_total{topic=\"transactions\",outcome=\"invalid\"}",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_gateway_for_the_network_has_to_be_wanted() {
    let listener = TcpListener::bind("0.0.0.0:0").await.expect("a free port");
    let gateway = Gateway::new(MemoryLog::default(), String::new);
    let error = serve(GatewayConfig::default(), listener, gateway, std::future::pending()).await.expect_err("refused");
    assert!(error.to_string().contains("gateway.allow_anonymous"), "{error}");

    let listener = TcpListener::bind("0.0.0.0:0").await.expect("a free port");
    let gateway = Gateway::new(MemoryLog::default(), String::new);
    let config = GatewayConfig { allow_anonymous: true, ..GatewayConfig::default() };
    serve(config, listener, gateway, std::future::ready(())).await.expect("allowed");
}
