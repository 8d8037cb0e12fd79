//! The local stack as its users run it: up, up again, something killed, the supervisor killed, down, reset.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use millrace_local::{Home, Identity, Ports, State};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(60);

/// A stack of its own, stopped at the latest when the test ends, however it does.
struct Stack {
    folder: TempDir,
    port_base: u16,
}

impl Stack {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), port_base: free_port_base() }
    }

    fn home(&self) -> Home {
        Home::at(self.folder.path().join("home"))
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_millrace"));
        command.args(args).env("MILLRACE_HOME", self.home().folder()).env("PORT_BASE", self.port_base.to_string());
        command.output().unwrap()
    }

    /// Runs a command that must succeed; what it printed.
    fn succeeds(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{args:?}\n{}\n{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    fn state(&self) -> State {
        State::of_running(&self.home()).unwrap()
    }

    /// Every process of the stack with its name, the supervisor included.
    fn processes(&self) -> Vec<(String, Identity)> {
        let state = self.state();
        let units = state.units.iter().filter_map(|(name, unit)| Some((name.to_owned(), unit.process.clone()?)));
        units.chain([("supervisor".to_owned(), state.supervisor.clone())]).collect()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.run(&["down"]);
    }
}

/// A base from which on all ports are free.
fn free_port_base() -> u16 {
    let all_free = |base: &u16| {
        let ports = Ports::new(Some(*base)).unwrap();
        ports.check_free(ports.iter().map(|(name, _)| name)).is_ok()
    };
    let mut bases = std::iter::repeat_with(|| Ports::free(&["base"]).unwrap().port("base"));
    bases.find(all_free).unwrap()
}

fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !condition() {
        assert!(Instant::now() < end, "{what}: not within {} s", SOON.as_secs());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn cluster_of(home: &Home) -> String {
    let properties = fs::read_to_string(home.data("kafka").join("meta.properties")).unwrap();
    properties.lines().find(|line| line.starts_with("cluster.id=")).unwrap().to_owned()
}

fn alive(processes: &[(String, Identity)]) -> Vec<&str> {
    processes.iter().filter(|(_, process)| process.is_alive()).map(|(name, _)| name.as_str()).collect()
}

#[test]
fn the_stack_survives_everything_but_being_told_to_stop() {
    let stack = Stack::new();
    assert_eq!(code(&stack.run(&["status"])), Some(3), "nothing runs yet");
    stack.succeeds(&["up"]);
    let first = stack.processes();
    assert_eq!(alive(&first).len(), first.len());
    let cluster = cluster_of(&stack.home());

    // Once more changes nothing.
    stack.succeeds(&["up"]);
    assert_eq!(stack.processes(), first);

    // Whoever is killed comes back, and the others do not notice.
    let gateway = stack.state().units.get("gateway").unwrap().process.clone().unwrap();
    assert!(gateway.signal(rustix::process::Signal::KILL));
    eventually("the gateway is back", || {
        let state = stack.state();
        let unit = state.units.get("gateway").unwrap();
        unit.phase.is_settled() && unit.restarts == 1 && unit.process.as_ref() != Some(&gateway)
    });

    // A killed supervisor takes everything with it, and the next start goes on with the same data.
    let second = stack.processes();
    assert!(stack.state().supervisor.signal(rustix::process::Signal::KILL));
    eventually("nothing runs any more", || alive(&second).is_empty());
    assert_eq!(code(&stack.run(&["status"])), Some(3));
    stack.succeeds(&["up"]);
    assert_eq!(cluster_of(&stack.home()), cluster);
    assert!(stack.succeeds(&["status"]).contains("gateway"));

    let third = stack.processes();
    stack.succeeds(&["down"]);
    assert_eq!(alive(&third), Vec::<&str>::new());
    stack.succeeds(&["down"]);
    assert!(stack.home().data("kafka").exists(), "stopping keeps the data");
    stack.succeeds(&["reset", "--yes"]);
    assert!(!stack.home().folder().exists());
}

#[test]
fn a_taken_port_is_said_and_nothing_is_left_running() {
    let stack = Stack::new();
    let ports = Ports::new(Some(stack.port_base)).unwrap();
    let _taken = std::net::TcpListener::bind(ports.address("registry")).unwrap();
    let output = stack.run(&["up"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(code(&output), Some(1), "{said}");
    assert!(
        said.contains(&format!(
            "port {}, wanted for registry, is taken by pid {}",
            ports.port("registry"),
            std::process::id()
        )),
        "{said}"
    );
    assert!(said.contains("PORT_BASE"), "{said}");
    assert_eq!(code(&stack.run(&["status"])), Some(3));
}

#[test]
fn a_sandbox_gives_the_command_its_services_and_its_exit_status() {
    let script = r#"test -n "$MILLRACE_TEST_CLICKHOUSE" && test -z "$MILLRACE_TEST_KAFKA" && test -x "$MILLRACE_BIN" && exit 42"#;
    let mut command = Command::new(env!("CARGO_BIN_EXE_millrace"));
    command.args(["sandbox", "--only", "clickhouse", "--", "sh", "-c", script]).env_remove("MILLRACE_TEST_KAFKA");
    assert_eq!(code(&command.output().unwrap()), Some(42));
}

#[test]
fn what_a_command_leaves_behind_in_a_sandbox_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let note = folder.path().join("pid");
    let script = format!("setsid sleep 600 > /dev/null 2>&1 & echo $! > {}; exit 0", note.display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_millrace"));
    let output = command.args(["sandbox", "--only", "clickhouse", "--", "sh", "-c", &script]).output().unwrap();
    assert!(output.status.success());
    let pid: i32 = fs::read_to_string(&note).unwrap().trim().parse().unwrap();
    assert!(Identity::of(pid).is_none_or(|now| !now.command.contains("sleep 600")));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the command left pid"));
}

#[test]
fn a_wrong_port_base_is_a_usage_error() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millrace"));
    let nowhere = Path::new("/nonexistent/home");
    let output = command.args(["up", "--port-base", "80"]).env("MILLRACE_HOME", nowhere).output().unwrap();
    assert_eq!(code(&output), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!nowhere.exists());
}
