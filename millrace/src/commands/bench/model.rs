//! `millrace bench model`: microseconds of a model's score, alone, with its reasons, and through the pool.

use super::machine::Machine;
use crate::{commands::model, output::columns};
use anyhow::Result;
use clap::value_parser;
use millrace_processors::scoring::model::{Model, Pool, PoolOptions, Scorer, Ticket};
use nix::time::{ClockId, clock_gettime};
use serde::Serialize;
use std::{
    collections::VecDeque,
    hint::black_box,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

pub const EXAMPLES: &str = "The bundle's golden rows are scored in turn: by ONNX Runtime alone, with calibration and reasons on the same thread, through the
pool one at a time, with several on their way of which the first is waited for, and with several that are waited for together. Percentiles are of each score
by the clock; CPU time is that of all threads together.

Examples:
  millrace bench model training/bundles/default
  millrace bench model training/bundles/default --in-flight 256 --threads 2
  millrace bench model training/bundles/default --json | jq '.ways'";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The bundle: a folder, or a file that it is packed in
    #[arg(value_name = "FOLDER")]
    bundle: PathBuf,
    /// Scores that are measured of each way
    #[arg(long, default_value_t = 100_000, value_parser = value_parser!(u32).range(1_000..))]
    scores: u32,
    /// The pool's threads
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Scores on their way at once through the pool
    #[arg(long, default_value_t = 64, value_parser = value_parser!(u32).range(1..=1_000))]
    in_flight: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'m> {
    machine: Machine,
    model: &'m str,
    scores: u32,
    threads: usize,
    in_flight: u32,
    ways: Vec<Way>,
}

/// Microseconds of one score.
#[derive(Serialize)]
struct Way {
    way: &'static str,
    /// By the clock; none where scores are not waited for one by one.
    p50: Option<f64>,
    p99: Option<f64>,
    mean: f64,
    /// Of all threads.
    cpu: f64,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let model = model::load(&args.bundle)?;
    let report = Report {
        machine: Machine::here(),
        model: model.id(),
        scores: args.scores,
        threads: args.threads,
        in_flight: args.in_flight,
        ways: ways(args, &model)?,
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(ExitCode::SUCCESS);
    }
    println!("microseconds of one score of {}, {} scores each way\n{}\n", report.model, report.scores, report.machine);
    let figure = |us: Option<f64>| us.map(|us| format!("{us:.2}")).unwrap_or_default();
    let line = |it: &Way| {
        let figures = [it.p50, it.p99, Some(it.mean), Some(it.cpu)].map(figure);
        [it.way.to_owned()].into_iter().chain(figures).collect()
    };
    let lines: Vec<Vec<String>> = report.ways.iter().map(line).collect();
    print!("{}", columns(&["way", "p50", "p99", "mean", "CPU"], &lines));
    Ok(ExitCode::SUCCESS)
}

fn ways(args: &Args, model: &Arc<Model>) -> Result<Vec<Way>> {
    let rows: Vec<&[f32]> = model.bundle().golden().rows().iter().map(|golden| golden.row.as_slice()).collect();
    // A pool that gives up nothing: what is measured is how long scores take.
    let options = PoolOptions { threads: args.threads, deadline_ms: 60_000, ..PoolOptions::default() };
    let pool = Pool::new(Arc::clone(model), &options)?;
    let mut engine = model.engine()?;
    let mut scorer = Scorer::new(Arc::clone(model))?;
    let mut flying: VecDeque<(Instant, Ticket)> = VecDeque::new();
    let landed = |(began, ticket): (Instant, Ticket)| -> Result<Duration> {
        black_box(ticket.wait().map_err(|cause| anyhow::anyhow!("no score: {cause}"))?);
        Ok(began.elapsed())
    };
    let alone = |row: &[f32]| -> Result<Option<Duration>> {
        let began = Instant::now();
        black_box(engine.run(row)?);
        Ok(Some(began.elapsed()))
    };
    let with_reasons = |row: &[f32]| -> Result<Option<Duration>> {
        let began = Instant::now();
        black_box(scorer.score(row)?);
        Ok(Some(began.elapsed()))
    };
    let one_at_a_time = |row: &[f32]| landed((Instant::now(), pool.score_row(row.to_vec()))).map(Some);
    let several = |row: &[f32]| {
        let due = (flying.len() >= args.in_flight as usize).then(|| flying.pop_front()).flatten();
        let took = due.map(landed).transpose()?;
        flying.push_back((Instant::now(), pool.score_row(row.to_vec())));
        Ok(took)
    };
    let mut together = Vec::new();
    let all_at_once = |row: &[f32]| {
        together.push(pool.score_row(row.to_vec()));
        if together.len() >= args.in_flight as usize {
            for score in Ticket::wait_all(std::mem::take(&mut together)) {
                black_box(score.map_err(|cause| anyhow::anyhow!("no score: {cause}"))?);
            }
        }
        Ok(None)
    };
    Ok(vec![
        way("session alone", args.scores, &rows, alone)?,
        way("with reasons", args.scores, &rows, with_reasons)?,
        way("pool, one at a time", args.scores, &rows, one_at_a_time)?,
        way("pool, several in flight", args.scores, &rows, several)?,
        way("pool, several together", args.scores, &rows, all_at_once)?,
    ])
}

/// Measures what tells how long a score took, when it is done.
fn way(
    name: &'static str,
    scores: u32,
    rows: &[&[f32]],
    mut score: impl FnMut(&[f32]) -> Result<Option<Duration>>,
) -> Result<Way> {
    let mut rows = rows.iter().cycle();
    let mut next = || score(rows.next().copied().unwrap_or_default());
    for _ in 0..scores / 10 {
        next()?;
    }
    let cpu = || clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map(Duration::from);
    let (began, cpu_before) = (Instant::now(), cpu()?);
    let mut took = Vec::with_capacity(scores as usize);
    for _ in 0..scores {
        took.extend(next()?);
    }
    let (all, cpu) = (began.elapsed(), cpu()? - cpu_before);
    took.sort_unstable();
    let us = |time: Duration| time.as_secs_f64() * 1e6;
    let at = |share: f64| took.get((took.len().saturating_sub(1) as f64 * share) as usize).copied().map(us);
    let each = |time: Duration| us(time) / f64::from(scores);
    Ok(Way { way: name, p50: at(0.5), p99: at(0.99), mean: each(all), cpu: each(cpu) })
}
