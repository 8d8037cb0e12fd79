//! Letters for people and for programs.

use super::{Desk, code, select::Select};
use crate::output::{Output, age};
use anyhow::Result;
use millrace_runtime::{
    clock::{Clock as _, SystemClock},
    letters::{Letter, State},
};
use millrace_schemas::{
    event::{DeadLetter, DeadLetterAction},
    time::format_instant,
    wire::Codec,
};
use serde::Serialize;
use serde_json::{Value as Json, json};
use std::process::ExitCode;

/// Longest payload shown as hexadecimal digits, in bytes.
const HEX_MAX: usize = 4_096;

/// A letter without its payload.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    pub(super) event_id: String,
    received_at: String,
    age_ms: i64,
    pub(super) code: String,
    message: String,
    target_topic: String,
    key: Option<String>,
    /// `topic/partition/offset` of the journal record; absent when the gateway refused it.
    source: Option<String>,
    request_id: Option<String>,
    pub(super) attempt: i32,
    pub(super) state: &'static str,
}

impl Summary {
    pub(super) fn of(Letter { event, .. }: Letter, state: &State) -> Self {
        Self {
            received_at: format_instant(event.received_at),
            age_ms: SystemClock.now_ms() - event.received_at,
            source: source(&event),
            key: event.key.as_deref().map(|key| String::from_utf8_lossy(key).into_owned()),
            event_id: event.event_id,
            code: event.code,
            message: event.message,
            target_topic: event.target_topic,
            request_id: event.request_id,
            attempt: event.attempt,
            state: state.name(),
        }
    }
}

pub(super) fn list(desk: &Desk, select: &Select, output: Output) -> Result<ExitCode> {
    let letters = select.of(desk, |letter, state| Summary::of(letter, &state))?;
    output.table(&letters, &["letter", "age", "code", "target", "key", "attempt", "state"], |letter| {
        vec![
            letter.event_id.clone(),
            age(letter.age_ms / 1_000),
            letter.code.clone(),
            letter.target_topic.clone(),
            letter.key.clone().unwrap_or_default(),
            letter.attempt.to_string(),
            letter.state.to_owned(),
        ]
    })?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn one(desk: &Desk, id: &str, output: Output) -> Result<ExitCode> {
    let select = Select { id: vec![id.to_owned()], ..Select::default() };
    let Some((letter, state)) = select.of(desk, |letter, state| (letter, state))?.pop() else {
        eprintln!("there is no dead letter {id}; `millrace deadletters list` shows what there is");
        return Ok(code(false));
    };
    let all = as_json(desk.schemas.codec(), &letter, &state);
    if output.json {
        println!("{}", serde_json::to_string_pretty(&all)?);
    } else {
        print!("{}", as_text(&letter.event, &state, &all["payload"]));
    }
    Ok(ExitCode::SUCCESS)
}

fn source(event: &DeadLetter) -> Option<String> {
    let (topic, partition, offset) = (event.source_topic.as_ref()?, event.source_partition?, event.source_offset?);
    Some(format!("{topic}/{partition}/{offset}"))
}

fn as_json(codec: &Codec, letter: &Letter, state: &State) -> Json {
    let event = &letter.event;
    let action = match state {
        State::Open => Json::Null,
        State::Replayed(action) | State::Discarded(action) => json!(action),
    };
    json!({
        "event_id": event.event_id,
        "received_at": format_instant(event.received_at),
        "target_topic": event.target_topic,
        "key": event.key.as_deref().map(String::from_utf8_lossy),
        "source": source(event),
        "request_id": event.request_id,
        "request_index": event.request_index,
        "errors": event.errors,
        "attempt": event.attempt,
        "replay_of": letter.headers.text(millrace_runtime::headers::REPLAY_OF),
        "state": state.name(),
        "action": action,
        "content_type": event.content_type,
        "payload_bytes": event.payload_bytes,
        "truncated": event.truncated,
        "payload": payload(codec, event),
    })
}

/// Avro as JSON, text as text, anything else as hexadecimal digits. What may be card data was never kept.
fn payload(codec: &Codec, event: &DeadLetter) -> Json {
    if let Ok((_, value)) = codec.decode_json(Some(&event.payload)) {
        return value;
    }
    match std::str::from_utf8(&event.payload) {
        Ok(text) if !text.contains('\0') => Json::String(text.to_owned()),
        _ => {
            let shown = &event.payload[..event.payload.len().min(HEX_MAX)];
            let digits: String = shown.iter().map(|byte| format!("{byte:02x}")).collect();
            let rest = event.payload.len() - shown.len();
            Json::String(if rest > 0 { format!("0x{digits}... and {rest} bytes") } else { format!("0x{digits}") })
        }
    }
}

fn as_text(event: &DeadLetter, state: &State, payload: &Json) -> String {
    let mut lines = vec![
        ("letter", event.event_id.clone()),
        ("received", format_instant(event.received_at)),
        ("target", event.target_topic.clone()),
        ("key", event.key.as_deref().map_or_else(|| "none".into(), |key| String::from_utf8_lossy(key).into_owned())),
        ("from", source(event).unwrap_or_else(|| "the gateway".to_owned())),
        ("request", event.request_id.clone().unwrap_or_else(|| "unknown".to_owned())),
        ("attempt", event.attempt.to_string()),
        ("state", said(state)),
    ];
    for error in &event.errors {
        lines.push(("error", format!("{} {} {}", error.code, error.path, error.message)));
    }
    let cut = if event.truncated { ", cut" } else { "" };
    lines.push(("payload", format!("{}, {} bytes{cut}", event.content_type, event.payload_bytes)));
    let head: String = lines.iter().map(|(name, value)| format!("{name:<9} {value}\n")).collect();
    let body = match payload {
        Json::String(text) => text.clone(),
        value => format!("{value:#}"),
    };
    format!("{head}\n{body}\n")
}

fn said(state: &State) -> String {
    let because = |action: &DeadLetterAction| action.reason.as_ref().map_or(String::new(), |why| format!(": {why}"));
    match state {
        State::Open => "open".to_owned(),
        State::Replayed(action) => {
            let at = (action.topic.as_deref().unwrap_or_default(), action.partition, action.offset);
            let (topic, partition, offset) = (at.0, at.1.unwrap_or_default(), at.2.unwrap_or_default());
            let when = format_instant(action.acted_at);
            format!("replayed {when} to {topic}/{partition}/{offset}{}", because(action))
        }
        State::Discarded(action) => format!("discarded {}{}", format_instant(action.acted_at), because(action)),
    }
}
