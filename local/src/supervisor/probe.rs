//! Asking a process whether it is ready.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::spec::Probe;

const ASK_EVERY: Duration = Duration::from_millis(50);
/// A process that is stopped in its tracks still accepts connections, by the kernel's queue; so answers have a deadline.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Kafka's ApiVersions request, version 0, without a client id: the one request every broker answers in every state.
/// Four bytes of length, then api key 18, api version 0, correlation id 7, a null string.
const API_VERSIONS: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];
const CORRELATION_ID: [u8; 4] = [0, 0, 0, 7];

/// Returns as soon as the process is ready, never otherwise.
pub(super) async fn until_ready(probe: &Probe) {
    while !matches!(timeout(ANSWER_WITHIN, ask(probe)).await, Ok(true)) {
        sleep(ASK_EVERY).await;
    }
}

async fn ask(probe: &Probe) -> bool {
    match probe {
        Probe::Kafka(address) => ask_kafka(*address).await.unwrap_or(false),
        Probe::Http(url) => ask_http(url).await.unwrap_or(false),
        Probe::Runs => true,
    }
}

async fn ask_kafka(address: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(&API_VERSIONS).await?;
    let mut length_and_correlation_id = [0; 8];
    stream.read_exact(&mut length_and_correlation_id).await?;
    Ok(length_and_correlation_id[4..] == CORRELATION_ID)
}

async fn ask_http(url: &str) -> reqwest::Result<bool> {
    // The machine's proxy is not for the loopback address, whatever its settings say.
    let client = reqwest::Client::builder().no_proxy().build()?;
    Ok(client.get(url).send().await?.status().is_success())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// A server that reads one request from each connection and answers it with `answer`.
    async fn answering(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(answer).await;
            }
        });
        address
    }

    #[tokio::test]
    async fn a_broker_is_ready_when_it_answers_the_question_asked() {
        let broker = answering(&[0, 0, 0, 6, 0, 0, 0, 7, 0, 0]).await;
        assert!(ask(&Probe::Kafka(broker)).await);
        let stranger = answering(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        assert!(!ask(&Probe::Kafka(stranger)).await);
    }

    #[tokio::test]
    async fn an_http_service_is_ready_when_it_answers_with_success() {
        let ready = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
        assert!(ask(&Probe::Http(format!("http://{ready}/health/ready"))).await);
        let busy = answering(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
        assert!(!ask(&Probe::Http(format!("http://{busy}/health/ready"))).await);
    }

    #[tokio::test]
    async fn nobody_listening_is_not_ready() {
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert!(!ask(&Probe::Kafka(gone)).await);
        assert!(!ask(&Probe::Http(format!("http://{gone}/"))).await);
    }
}
