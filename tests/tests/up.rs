//! The local stack as a newcomer meets it: up, the commands it prints, killed and up again, down, reset.

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

struct Stack {
    home: tempfile::TempDir,
    port_base: u16,
}

impl Stack {
    fn new() -> Self {
        // Far from the default ports and from the range the system gives to outgoing connections.
        let port_base = 21_000 + (std::process::id() % 500) as u16 * 20;
        Self { home: tempfile::tempdir().expect("a folder"), port_base }
    }

    fn millrace(&self, arguments: &[&str]) -> Output {
        let binary = std::env::var_os("MILLRACE_BIN").expect("MILLRACE_BIN is not set; run the tests with `make test`");
        let mut command = Command::new(binary);
        command.args(arguments).env("MILLRACE_HOME", self.home.path()).env("PORT_BASE", self.port_base.to_string());
        command.output().expect("millrace starts")
    }

    /// Standard output of a command that must succeed.
    fn run(&self, arguments: &[&str]) -> String {
        let output = self.millrace(arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{arguments:?}:\n{}\n{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    fn supervisor(&self) -> i32 {
        let status: serde_json::Value = serde_json::from_str(&self.run(&["status", "--json"])).expect("JSON");
        status["supervisor"]["pid"].as_i64().expect("a pid") as i32
    }

    fn rows(&self, table: &str) -> String {
        let query = format!("SELECT count() FROM {table}");
        let url = format!("http://127.0.0.1:{}/?database=millrace", self.port_base + 2);
        let output = Command::new("curl").args(["-s", &url, "-d", &query]).output().expect("curl starts");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.millrace(&["reset", "--yes"]);
    }
}

fn shell(command: &str) -> String {
    let output = Command::new("bash").arg("-c").arg(command).output().expect("bash starts");
    assert!(output.status.success(), "{command}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_newcomer_sees_analytics_pastes_commands_kills_the_supervisor_and_goes_on() {
    let stack = Stack::new();
    let screen = stack.run(&["up"]);
    for part in
        ["Purchases and mean receipt", "Transactions by score", "Most suspicious customers", "sample        queryable"]
    {
        assert!(screen.contains(part), "{part:?} is missing in\n{screen}");
    }
    let pasted: Vec<String> = screen.lines().filter(|line| line.trim_start().starts_with("curl ")).map(shell).collect();
    assert_eq!(pasted.len(), 2, "{screen}");
    let answer: serde_json::Value = serde_json::from_str(&pasted[0]).expect("the gateway answers in JSON");
    assert_eq!(answer["trn_status"], "Ok", "{answer}");
    assert!(pasted[1].lines().count() >= 7, "{}", pasted[1]);

    let (transactions, receipts) = (stack.rows("transactions"), stack.rows("receipts"));
    let status = stack.run(&["status"]);
    assert!(status.contains("millrace-clickhouse") && status.contains("gateway"), "{status}");

    kill(Pid::from_raw(stack.supervisor()), Signal::SIGKILL).expect("the supervisor runs");
    let until = Instant::now() + Duration::from_secs(30);
    while stack.millrace(&["status"]).status.code() != Some(3) {
        assert!(Instant::now() < until, "the stack still counts as running 30 s after its supervisor was killed");
        std::thread::sleep(Duration::from_millis(100));
    }
    let screen = stack.run(&["up"]);
    assert!(!screen.contains("sample        sent"), "a second sample was sent:\n{screen}");
    assert!(
        stack.rows("transactions").parse::<u64>().expect("a count") >= transactions.parse::<u64>().expect("a count")
    );
    assert_eq!(stack.rows("receipts"), receipts);

    stack.run(&["down"]);
    assert_eq!(stack.millrace(&["status"]).status.code(), Some(3));
    stack.run(&["reset", "--yes"]);
    assert!(!Path::new(&stack.home.path().join("sample-sent")).exists());
}
