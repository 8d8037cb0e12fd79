//! Starts endpoints and talks to them.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use reqwest::{RequestBuilder, Response, StatusCode};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Longest wait for anything a test waits for.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Where libchdb is, or a sentence that says how to get it.
fn library() -> PathBuf {
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/parts/libchdb/libchdb.so");
    let library = std::env::var_os("MILLRACE_LIBCHDB").map_or(fetched, PathBuf::from);
    assert!(
        library.is_file(),
        "{} is missing: run `make parts`, or name another in MILLRACE_LIBCHDB",
        library.display()
    );
    library
}

/// A running endpoint. Killed when dropped; ends by itself when the test's process ends.
pub struct Endpoint {
    child: Child,
    pub url: String,
    pub http: reqwest::Client,
    directory: PathBuf,
    _temp: Option<TempDir>,
}

impl Endpoint {
    /// Starts one on an empty directory.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with more arguments.
    pub async fn start_with(arguments: &[&str]) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let mut endpoint = Self::start_in(temp.path(), arguments).await;
        endpoint._temp = Some(temp);
        endpoint
    }

    /// Starts one on a directory that outlives it.
    pub async fn start_in(directory: &Path, arguments: &[&str]) -> Self {
        let mut child = command(directory, arguments).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line =
            tokio::time::timeout(DEADLINE, lines.next_line()).await.expect("it says its address in time").unwrap();
        let line = line.expect("it says its address before it ends");
        let url = format!("http://{}", line.strip_prefix("listening on ").unwrap());
        let endpoint = Self { child, url, http: reqwest::Client::new(), directory: directory.to_owned(), _temp: None };
        // The listener's queue takes the request; the answer comes when the engine is open.
        let ping = tokio::time::timeout(DEADLINE, endpoint.http.get(endpoint.at("/ping")).send()).await;
        assert_eq!(ping.expect("it answers in time").unwrap().text().await.unwrap(), "Ok.\n");
        endpoint
    }

    /// Runs one that is expected to end by itself; gives what it wrote to standard error.
    pub async fn fails_to_start(directory: &Path, arguments: &[&str]) -> String {
        let output = command(directory, arguments).stderr(Stdio::piped()).spawn().unwrap().wait_with_output();
        let output = tokio::time::timeout(DEADLINE, output).await.expect("it ends in time").unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    pub fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        self.http.post(self.at(path)).body(body)
    }

    /// Sends a statement and answers with status and text.
    pub async fn send(&self, path: &str, body: impl Into<reqwest::Body>) -> (StatusCode, String) {
        let response = self.post(path, body).send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    }

    /// Runs a statement that must work.
    pub async fn run(&self, sql: &str) -> String {
        self.run_at("/", sql.to_owned()).await
    }

    /// The same with parameters in the path.
    pub async fn run_at(&self, path: &str, body: impl Into<reqwest::Body>) -> String {
        let (status, text) = self.send(path, body).await;
        assert_eq!(status, StatusCode::OK, "{path}: {text}");
        text.trim_end().to_owned()
    }

    /// Runs a statement that must fail; gives status, code in the header, and text.
    pub async fn refused(&self, path: &str, body: impl Into<reqwest::Body>) -> (u16, u32, String) {
        failure(self.post(path, body).send().await.unwrap()).await
    }

    /// Waits until a query gives this result.
    pub async fn until(&self, sql: &str, expected: &str) {
        let start = Instant::now();
        loop {
            let got = self.run(sql).await;
            if got == expected {
                return;
            }
            assert!(start.elapsed() < DEADLINE, "{sql}: {got:?} is still not {expected:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until so many statements run.
    pub async fn until_active(&self, count: usize) {
        self.until_metric(&format!("millrace_engine_active_queries {count}")).await;
    }

    /// Waits until this line is among the metrics.
    pub async fn until_metric(&self, line: &str) {
        let start = Instant::now();
        loop {
            let metrics = self.http.get(self.at("/metrics")).send().await.unwrap().text().await.unwrap();
            if metrics.lines().any(|l| l == line) {
                return;
            }
            assert!(start.elapsed() < DEADLINE, "there never was {line:?} in\n{metrics}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Stops it as a supervisor would.
    pub async fn stop(mut self) -> ExitStatus {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid() as i32), nix::sys::signal::Signal::SIGTERM)
            .unwrap();
        tokio::time::timeout(DEADLINE, self.child.wait()).await.expect("it stops in time").unwrap()
    }

    /// Does what the system does when the process that started it has ended.
    pub async fn close_stdin(mut self) -> ExitStatus {
        drop(self.child.stdin.take());
        tokio::time::timeout(DEADLINE, self.child.wait()).await.expect("it stops in time").unwrap()
    }

    /// Kills it without warning.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

/// Status, code and text of a refusal.
pub async fn failure(response: Response) -> (u16, u32, String) {
    let code =
        response.headers().get("X-ClickHouse-Exception-Code").map(|code| code.to_str().unwrap().parse().unwrap());
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, code.unwrap_or_else(|| panic!("no exception: {status} {text}")), text)
}

fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millrace-engine"));
    command.arg("--listen=127.0.0.1:0").arg("--until-stdin-closes");
    command.arg("--data-dir").arg(directory).arg("--library").arg(library()).args(arguments);
    command.env("RUST_LOG", "error").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    command
}

/// Rows of `(number UInt64, text String)` in RowBinary.
pub fn rows(numbers: std::ops::Range<u64>) -> Vec<u8> {
    numbers.flat_map(|n| n.to_le_bytes().into_iter().chain(*b"\x05hello")).collect()
}
