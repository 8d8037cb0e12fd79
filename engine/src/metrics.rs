//! Counters of the endpoint, given as text at `/metrics`.

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, Unit};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::ffi::Counts;

const QUERIES: &str = "millrace_engine_queries_total";
const ERRORS: &str = "millrace_engine_errors_total";
const SECONDS: &str = "millrace_engine_query_seconds";
const ACTIVE: &str = "millrace_engine_active_queries";
const READ_ROWS: &str = "millrace_engine_read_rows_total";
const READ_BYTES: &str = "millrace_engine_read_bytes_total";
const WRITTEN_ROWS: &str = "millrace_engine_written_rows_total";
const WRITTEN_BYTES: &str = "millrace_engine_written_bytes_total";
const HEALED: &str = "millrace_engine_healed_records_total";

const BUCKETS: [f64; 10] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0];

/// What a statement was, as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Reads only.
    Select,
    /// Rows from a request.
    Insert,
    /// Anything else: definitions, `INSERT ... SELECT`, settings.
    Other,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Insert => "insert",
            Self::Other => "other",
        }
    }
}

/// The metrics of one endpoint; independent of any recorder the process has.
pub(crate) struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    active: Gauge,
    read_rows: Counter,
    read_bytes: Counter,
    written_rows: Counter,
    written_bytes: Counter,
    /// Deduplication records removed at the start.
    pub(crate) healed: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Result<Self, BuildError> {
        let builder = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Full(SECONDS.to_owned()), &BUCKETS)?;
        let recorder = builder.build_recorder();
        let described = [
            (QUERIES, "Statements that ended, by kind."),
            (ERRORS, "Statements that ended with an exception, by its code."),
            (READ_ROWS, "Rows read from tables."),
            (READ_BYTES, "Bytes read from tables."),
            (WRITTEN_ROWS, "Rows written, those of materialized views too."),
            (WRITTEN_BYTES, "Bytes written, those of materialized views too."),
            (HEALED, "Deduplication records without a part, removed after an unclean stop."),
        ];
        for (name, text) in described {
            recorder.describe_counter(KeyName::from_const_str(name), None, text.into());
        }
        recorder.describe_gauge(KeyName::from_const_str(ACTIVE), None, "Statements running now.".into());
        recorder.describe_histogram(
            KeyName::from_const_str(SECONDS),
            Some(Unit::Seconds),
            "Time from request to the statement's end.".into(),
        );
        let counter = |name| recorder.register_counter(&Key::from_static_name(name), &METADATA);
        Ok(Self {
            active: recorder.register_gauge(&Key::from_static_name(ACTIVE), &METADATA),
            read_rows: counter(READ_ROWS),
            read_bytes: counter(READ_BYTES),
            written_rows: counter(WRITTEN_ROWS),
            written_bytes: counter(WRITTEN_BYTES),
            healed: counter(HEALED),
            handle: recorder.handle(),
            recorder,
        })
    }

    /// Counts a statement that ended.
    pub(crate) fn ended(&self, kind: Kind, seconds: f64, counts: Counts, error: Option<u32>) {
        let kind = vec![Label::from_static_parts("kind", kind.name())];
        self.recorder.register_counter(&Key::from_parts(QUERIES, kind.clone()), &METADATA).increment(1);
        let histogram: Histogram = self.recorder.register_histogram(&Key::from_parts(SECONDS, kind), &METADATA);
        histogram.record(seconds);
        self.read_rows.increment(counts.read_rows);
        self.read_bytes.increment(counts.read_bytes);
        self.written_rows.increment(counts.written_rows);
        self.written_bytes.increment(counts.written_bytes);
        if let Some(code) = error {
            let code = vec![Label::new("code", code.to_string())];
            self.recorder.register_counter(&Key::from_parts(ERRORS, code), &METADATA).increment(1);
        }
    }

    /// All of it in Prometheus' text format, with the statements that run now.
    pub(crate) fn render(&self, active: usize) -> String {
        self.active.set(active as f64);
        self.handle.run_upkeep();
        self.handle.render()
    }
}

static METADATA: Metadata<'static> = Metadata::new("millrace_engine", Level::INFO, None);
