//! The supervisor on small shell programs: order, restarts, faults, and that nothing outlives it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use millrace_local::supervisor::{Action, Ending, Keeper, Phase, Restart};
use millrace_local::{Error, Identity, Probe, Spec};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(20);

fn shell(name: &str, script: &str) -> Spec {
    Spec::service(name, "/bin/sh", Probe::Runs).arg("-c").arg(script)
}

fn sleeper(name: &str) -> Spec {
    Spec::service(name, "/bin/sleep", Probe::Runs).arg("600")
}

fn keeper(folder: &TempDir, restart: Restart) -> Keeper {
    Keeper::new(folder.path().join("logs"), restart, Ending::default()).unwrap()
}

/// Waits for a condition; fails the test when it does not come.
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !condition() {
        assert!(Instant::now() < end, "{what}: not within {} s", SOON.as_secs());
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn process(keeper: &Keeper, name: &str) -> Option<Identity> {
    keeper.board().get(name).and_then(|state| state.process.clone())
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Serves HTTP on a free port until the test ends: 200 once `ready`, 503 before.
fn probed(ready: impl Fn() -> bool + Send + 'static) -> Probe {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let status = if ready() { "200 OK" } else { "503 Service Unavailable" };
            // The whole request first: closing on unread bytes would reset the connection under the answer.
            let mut request = BufReader::new(&stream);
            let mut line = String::new();
            while request.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            // One that asks and does not wait for the answer asks again.
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    Probe::Http(format!("http://{address}/"))
}

#[test]
fn those_that_come_after_start_later_and_stop_earlier() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let service = |name: &str| {
        let up = format!("{name} up");
        let script = format!(
            "trap 'echo {name} down >> {0}; exit' TERM; echo {up} >> {0}; while :; do sleep 0.01; done",
            journal.display()
        );
        let journal = journal.clone();
        // Ready once it has said so, as a real service is.
        let probe = probed(move || lines(&journal).contains(&up));
        Spec::service(name, "/bin/sh", probe).arg("-c").arg(script)
    };
    let keeper = keeper(&folder, Restart::Never);
    let prepared = folder.path().join("prepared");
    let task = Spec::task("prepare", "/bin/sh", Some(prepared.clone()));
    let task = task.arg("-c").arg(format!("echo prepare >> {}; touch {}", journal.display(), prepared.display()));
    keeper.start(vec![service("two").after("one"), service("one").after("prepare"), task]).unwrap();
    keeper.wait_ready(&["two"], SOON).unwrap();
    drop(keeper);
    assert_eq!(lines(&journal), ["prepare", "one up", "two up", "two down", "one down"]);
}

#[test]
fn a_task_whose_work_is_done_is_not_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let done = folder.path().join("done");
    fs::write(&done, "").unwrap();
    let keeper = keeper(&folder, Restart::Never);
    keeper.start(vec![Spec::task("prepare", "/bin/false", Some(done))]).unwrap();
    keeper.wait_ready(&["prepare"], SOON).unwrap();
    assert_eq!(keeper.board().get("prepare").unwrap().phase, Phase::Done);
}

#[test]
fn one_that_ends_unasked_is_started_again_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let keeper = keeper(&folder, Restart::Always);
    keeper.start(vec![sleeper("a")]).unwrap();
    keeper.wait_ready(&["a"], SOON).unwrap();
    let first = process(&keeper, "a").unwrap();
    assert!(first.signal(rustix::process::Signal::KILL));
    eventually("another process runs", || process(&keeper, "a").is_some_and(|now| now.pid != first.pid));
    keeper.wait_ready(&["a"], SOON).unwrap();
    assert_eq!(keeper.board().get("a").unwrap().restarts, 1);
}

#[test]
fn a_failure_is_told_with_the_last_lines_of_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let keeper = keeper(&folder, Restart::Never);
    let probe = Probe::Http("http://127.0.0.1:1/".to_owned());
    let failing = Spec::service("a", "/bin/sh", probe).arg("-c").arg("echo to stdout; echo the reason >&2; exit 3");
    keeper.start(vec![failing]).unwrap();
    let error = keeper.wait_ready(&["a"], SOON).unwrap_err();
    let Error::NotReady { name, why, tail, log } = error else { panic!("{error}") };
    assert_eq!(name, "a");
    assert_eq!(why, "ended by itself (exit status: 3)");
    assert_eq!(tail, "to stdout\nthe reason");
    assert!(log.is_file());
}

#[test]
fn a_program_that_does_not_exist_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let keeper = keeper(&folder, Restart::Never);
    keeper.start(vec![Spec::service("a", "/no/such/program", Probe::Runs)]).unwrap();
    let message = keeper.wait_ready(&["a"], SOON).unwrap_err().to_string();
    assert!(message.contains("a could not be started (/no/such/program"), "{message}");
}

#[test]
fn a_killed_one_stays_down_until_it_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let keeper = keeper(&folder, Restart::Never);
    keeper.start(vec![sleeper("a")]).unwrap();
    keeper.wait_ready(&["a"], SOON).unwrap();
    let first = process(&keeper, "a").unwrap();
    keeper.act("a", Action::Kill).unwrap();
    assert!(!first.is_alive());
    assert_eq!(keeper.board().get("a").unwrap().phase, Phase::Stopped);
    keeper.act("a", Action::Start).unwrap();
    keeper.wait_ready(&["a"], SOON).unwrap();
    assert_ne!(process(&keeper, "a").unwrap().pid, first.pid);
    assert_eq!(keeper.board().get("a").unwrap().restarts, 0);
}

#[test]
fn a_paused_one_can_be_resumed_and_also_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let keeper = keeper(&folder, Restart::Never);
    keeper.start(vec![shell("a", "trap 'exit 0' TERM; while :; do sleep 0.01; done")]).unwrap();
    keeper.wait_ready(&["a"], SOON).unwrap();
    let pid = process(&keeper, "a").unwrap().pid;
    let state =
        || fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().rsplit_once(") ").unwrap().1[..1].to_owned();
    keeper.act("a", Action::Pause).unwrap();
    eventually("it is stopped in its tracks", || state() == "T");
    keeper.act("a", Action::Resume).unwrap();
    eventually("it goes on", || state() != "T");
    keeper.act("a", Action::Pause).unwrap();
    let before = Instant::now();
    keeper.act("a", Action::Stop).unwrap();
    assert!(before.elapsed() < Duration::from_secs(10), "it heard the request to end although it was paused");
}

#[test]
fn one_that_ignores_the_request_to_end_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let keeper = keeper(&folder, Restart::Never);
    let mut deaf = shell("a", "trap '' TERM; echo deaf; while :; do sleep 0.01; done");
    if let millrace_local::Kind::Service { stop_within, .. } = &mut deaf.kind {
        *stop_within = Duration::from_millis(200);
    }
    keeper.start(vec![deaf]).unwrap();
    eventually("it no longer listens", || lines(&folder.path().join("logs/a.log")) == ["deaf"]);
    let process = process(&keeper, "a").unwrap();
    keeper.act("a", Action::Stop).unwrap();
    assert!(!process.is_alive());
}

#[test]
fn waiting_for_a_stranger_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let keeper = keeper(&folder, Restart::Never);
    assert!(matches!(keeper.start(vec![sleeper("a").after("b")]), Err(Error::Order { .. })));
    assert!(matches!(keeper.act("a", Action::Stop), Err(Error::Unknown { .. })));
}

/// Run by [`nothing_outlives_a_supervisor_that_is_killed`] in a process of its own; does nothing in an ordinary run.
#[test]
fn supervise_until_killed() {
    let Some(folder) = std::env::var_os("SUPERVISE_UNTIL_KILLED_IN") else { return };
    let folder = Path::new(&folder);
    let keeper = Keeper::new(folder.join("logs"), Restart::Always, Ending::default()).unwrap();
    keeper.start(vec![sleeper("a"), shell("b", "trap '' TERM INT HUP; while :; do sleep 600; done")]).unwrap();
    keeper.wait_ready(&["a", "b"], SOON).unwrap();
    let processes: Vec<Identity> = ["a", "b"].iter().filter_map(|name| process(&keeper, name)).collect();
    fs::write(folder.join("new"), serde_json::to_vec(&processes).unwrap()).unwrap();
    fs::rename(folder.join("new"), folder.join("processes")).unwrap();
    loop {
        std::thread::park();
    }
}

/// A process that is killed at the latest when the test ends, however it does.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn supervise_elsewhere(folder: &Path) -> (Killed, Vec<Identity>) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "supervise_until_killed", "--nocapture"]).env("SUPERVISE_UNTIL_KILLED_IN", folder);
    let child = Killed(child.stdout(Stdio::null()).spawn().unwrap());
    eventually("the supervisor has started everything", || folder.join("processes").is_file());
    (child, serde_json::from_slice(&fs::read(folder.join("processes")).unwrap()).unwrap())
}

#[test]
fn nothing_outlives_a_supervisor_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let (supervisor, processes) = supervise_elsewhere(folder.path());
    assert_eq!(processes.len(), 2);
    assert!(processes.iter().all(Identity::is_alive));
    drop(supervisor);
    eventually("everything has ended with it", || !processes.iter().any(Identity::is_alive));
}
