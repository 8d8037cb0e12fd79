//! The sandbox on real services: a broker that is killed comes back on its port with its data, and nothing is left behind.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use millrace_local::supervisor::Phase;
use millrace_local::{Identity, Part, Sandbox, SandboxOptions};

fn sandbox(parts: &[Part]) -> Sandbox {
    Sandbox::with(SandboxOptions { parts: parts.to_vec(), ..SandboxOptions::default() }).unwrap()
}

fn process(sandbox: &Sandbox, part: Part) -> Identity {
    sandbox.board().get(part.name()).unwrap().process.clone().unwrap()
}

#[test]
fn a_broker_that_is_killed_comes_back_on_its_port_with_its_data() {
    let sandbox = sandbox(&[Part::Kafka]);
    let identity = sandbox.folder().join("data/kafka/meta.properties");
    let (address, cluster) = (sandbox.kafka(), std::fs::read_to_string(&identity).unwrap());
    let first = process(&sandbox, Part::Kafka);

    sandbox.kill(Part::Kafka).unwrap();
    assert!(!first.is_alive());
    assert!(TcpStream::connect(&address).is_err(), "nobody listens on {address}");
    assert_eq!(sandbox.board().get("kafka").unwrap().phase, Phase::Stopped);

    sandbox.restart(Part::Kafka).unwrap();
    assert_eq!(sandbox.kafka(), address);
    TcpStream::connect(&address).unwrap();
    assert_eq!(std::fs::read_to_string(&identity).unwrap(), cluster);

    let (second, folder) = (process(&sandbox, Part::Kafka), sandbox.folder().to_owned());
    drop(sandbox);
    assert!(!second.is_alive());
    assert!(!folder.exists(), "{} is deleted", folder.display());
}

#[test]
fn a_paused_registry_answers_nothing_and_a_killed_one_keeps_its_schemas() {
    let sandbox = sandbox(&[Part::Registry]);
    let schema = r#"{"schema":"\"string\""}"#;
    let registered = request(&sandbox, "POST", "/subjects/a-value/versions", schema).unwrap();
    assert!(registered.contains(r#""id":"#), "{registered}");

    sandbox.pause(Part::Registry).unwrap();
    assert!(request(&sandbox, "GET", "/subjects", "").is_err(), "it accepts the connection and says nothing");
    sandbox.resume(Part::Registry).unwrap();
    assert!(request(&sandbox, "GET", "/subjects", "").unwrap().contains("a-value"));

    sandbox.kill(Part::Registry).unwrap();
    sandbox.restart(Part::Registry).unwrap();
    assert!(request(&sandbox, "GET", "/subjects", "").unwrap().contains("a-value"));
}

#[test]
fn a_sandbox_is_gone_after_a_panic() {
    let (process, folder) = std::thread::spawn(|| {
        let sandbox = sandbox(&[Part::Registry]);
        let seen = (process(&sandbox, Part::Registry), sandbox.folder().to_owned());
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _sandbox = sandbox;
            panic!("on purpose");
        }));
        assert!(panicked.is_err());
        seen
    })
    .join()
    .unwrap();
    assert!(!process.is_alive());
    assert!(!folder.exists());
}

/// Run by [`a_sandbox_is_gone_after_ctrl_c`] in a process of its own; does nothing in an ordinary run.
#[test]
fn use_a_sandbox_until_interrupted() {
    let Some(note) = std::env::var_os("SANDBOX_UNTIL_INTERRUPTED") else { return };
    let sandbox = sandbox(&[Part::Registry]);
    let seen = (process(&sandbox, Part::Registry), sandbox.folder().to_owned());
    let (note, new) = (PathBuf::from(&note), PathBuf::from(&note).with_extension("new"));
    std::fs::write(&new, serde_json::to_vec(&seen).unwrap()).unwrap();
    std::fs::rename(new, note).unwrap();
    loop {
        std::thread::park();
    }
}

#[test]
fn a_sandbox_is_gone_after_ctrl_c() {
    let folder = tempfile::tempdir().unwrap();
    let note = folder.path().join("note");
    let mut user = Command::new(std::env::current_exe().unwrap());
    user.args(["--exact", "use_a_sandbox_until_interrupted"]).env("SANDBOX_UNTIL_INTERRUPTED", &note);
    let mut user = user.stdout(Stdio::null()).spawn().unwrap();
    let end = Instant::now() + Duration::from_secs(120);
    while !note.is_file() {
        assert!(user.try_wait().unwrap().is_none() && Instant::now() < end, "the sandbox did not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    let (registry, sandbox): (Identity, PathBuf) = serde_json::from_slice(&std::fs::read(&note).unwrap()).unwrap();
    assert!(registry.is_alive() && sandbox.is_dir());

    assert!(Identity::of(user.id().cast_signed()).unwrap().signal(rustix::process::Signal::INT));
    assert_eq!(user.wait().unwrap().code(), Some(130));
    assert!(!registry.is_alive());
    assert!(!sandbox.exists());
}

/// One request to the registry; fails when there is no answer within two seconds.
fn request(sandbox: &Sandbox, method: &str, path: &str, body: &str) -> std::io::Result<String> {
    let url = sandbox.registry();
    let (address, base) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let length = body.len();
    let head = format!("{method} /{base}{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    write!(stream, "{head}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
