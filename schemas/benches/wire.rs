//! `cargo bench -p millrace-schemas`: how long an event takes to be written and read, by this program and by two libraries, in turns.

use apache_avro::{Schema, reader::datum::GenericDatumReader, writer::datum::GenericDatumWriter};
use millrace_schemas::{
    Event, Topic,
    event::{Receipt, SchemaRecord, Transaction, TransactionScore},
    wire::{Codec, split},
};
use std::{
    hint::black_box,
    time::{Duration, Instant},
};

/// As the program itself has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rounds of which the median is printed: each measures everybody once.
const ROUNDS: usize = 15;
/// How long one does the same thing in a round, about.
const TURN: Duration = Duration::from_millis(20);

fn main() {
    // Not as a test, which some commands run benches as.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    println!("nanoseconds an event, median of {ROUNDS} rounds; in brackets as a multiple of this program's\n");
    println!("{:22}{:>8}{:>12}{:>24}{:>24}", "", "bytes", "millrace", "serde_avro_fast", "apache-avro");
    compare::<Transaction>(&example(include_str!("../avro/transactions/v1.example.json")));
    compare::<Receipt>(&example(include_str!("../avro/receipts/v2.example.json")));
    let score: TransactionScore = example(include_str!("../avro/transaction-scores/v2.example.json"));
    // As many as scoring gives.
    let features = (0..35).map(|number| (format!("customer_transactions_{number:02}h").into(), f64::from(number)));
    compare(&TransactionScore { features: features.collect(), ..score });
}

fn example<E: Event>(examples: &str) -> E {
    serde_json::from_str::<Vec<E>>(examples).expect("examples").remove(0)
}

/// Something to be done over and over.
type Work<'w> = &'w mut dyn FnMut();

/// Room that everybody is given to write an event into.
const ROOM: usize = 2_048;

/// Writes and reads an event.
fn compare<E: Event>(event: &E) {
    let codec = codec();
    let fast: serde_avro_fast::Schema = E::TOPIC.schema().parse().expect("a schema");
    let schema = Schema::parse_str(E::TOPIC.schema()).expect("a schema");
    let writer = GenericDatumWriter::builder(&schema).build().expect("a writer");
    let reader = GenericDatumReader::builder(&schema).build().expect("a reader");
    let value = codec.encode(event).expect("encoded");
    let (_, datum) = split(Some(&value)).expect("in the wire format");

    let mut config = serde_avro_fast::ser::SerializerConfig::new(&fast);
    let written: [Work<'_>; 3] = [
        &mut || drop(black_box(codec.encode(event).expect("encoded"))),
        &mut || {
            drop(black_box(serde_avro_fast::to_datum(event, Vec::with_capacity(ROOM), &mut config).expect("encoded")))
        },
        &mut || {
            let mut datum = Vec::with_capacity(ROOM);
            writer.write_ser(&mut datum, event).expect("encoded");
            drop(black_box(datum));
        },
    ];
    print(&format!("{} written", E::TOPIC), datum.len(), medians(written));
    let read: [Work<'_>; 3] = [
        &mut || drop(black_box(codec.decode::<E>(Some(&value)).expect("decoded"))),
        &mut || drop(black_box(serde_avro_fast::from_datum_slice::<E>(datum, &fast).expect("decoded"))),
        &mut || drop(black_box(reader.read_deser::<E>(&mut &*datum).expect("decoded"))),
    ];
    print(&format!("{} read", E::TOPIC), datum.len(), medians(read));
}

fn print(what: &str, bytes: usize, [own, fast, apache]: [f64; 3]) {
    let peer = |time: f64| format!("{time:.0} ({:.1})", time / own);
    println!("{what:30}{bytes:>8}{own:>12.0}{:>24}{:>24}", peer(fast), peer(apache));
}

/// Nanoseconds that each of these takes, in turns.
fn medians(mut them: [Work<'_>; 3]) -> [f64; 3] {
    let mut rounds: [Vec<f64>; 3] = Default::default();
    for _ in 0..ROUNDS {
        for (work, times) in them.iter_mut().zip(&mut rounds) {
            let (begin, mut done) = (Instant::now(), 0u32);
            while begin.elapsed() < TURN {
                (0..100).for_each(|_| work());
                done += 100;
            }
            times.push(begin.elapsed().as_nanos() as f64 / f64::from(done));
        }
    }
    rounds.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    })
}

/// A codec that knows this program's schemas.
fn codec() -> Codec {
    let record = |(id, topic): (i32, &Topic)| SchemaRecord {
        id,
        subject: format!("{topic}-value"),
        schema: topic.schema().to_owned(),
    };
    Codec::new(&(1..).zip(Topic::ALL).map(record).collect::<Vec<_>>()).expect("every topic has its schema")
}
