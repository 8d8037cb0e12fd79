//! Millrace, the one binary: every part is a command of it, and this file is the table of contents.

mod ask;
mod commands;
mod config;
mod day;
mod exit;
mod first_look;
mod health;
mod output;
mod progress;

use std::process::ExitCode;

use millrace_schemas::event::ConfigurationKind;

use clap::{Parser, Subcommand};

use commands::{
    bench, completions, config as configuration, configure, deadletters, down, engine, grade, loadgen, logs, model,
    overview, pause, rebuild, replay, reset, sandbox, services, setup, status, supervise, topics, trace, up, watch,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An event-sourced pipeline for financial transactions and purchase receipts: Kafka in, ClickHouse out.
#[derive(Parser)]
#[command(name = "millrace", version, propagate_version = true, after_help = exit::HELP, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the local stack, wait until all of it is ready, and return while it runs on
    #[command(after_help = up::EXAMPLES)]
    Up(up::Args),
    /// Stop the local stack and keep its data
    #[command(after_help = down::EXAMPLES)]
    Down(down::Args),
    /// Stop the local stack and delete its data
    #[command(after_help = reset::EXAMPLES)]
    Reset(reset::Args),
    /// Show what runs, since when, where and in which versions
    #[command(after_help = status::EXAMPLES)]
    Status(status::Args),
    /// Show the logs of the local stack
    #[command(after_help = logs::EXAMPLES)]
    Logs(logs::Args),
    /// Run a command with a broker, a registry and a ClickHouse endpoint of its own, gone afterwards
    #[command(after_help = sandbox::EXAMPLES)]
    Sandbox(sandbox::Args),
    /// Serve ClickHouse's HTTP interface from the embedded engine
    #[command(after_help = engine::EXAMPLES)]
    Engine(engine::Args),
    /// Serve the HTTP gateway
    #[command(after_help = services::GATEWAY_EXAMPLES)]
    Gateway(services::GatewayArgs),
    /// Run a processor
    #[command(after_help = services::PROCESSOR_EXAMPLES)]
    Processor(services::ProcessorArgs),
    /// Fill a projection
    #[command(after_help = services::PROJECTOR_EXAMPLES)]
    Projector(services::ProjectorArgs),
    /// Let a processor or projection read no more until it is resumed
    #[command(after_help = pause::PAUSE_EXAMPLES)]
    Pause(pause::PauseArgs),
    /// Let a paused processor or projection go on
    #[command(after_help = pause::RESUME_EXAMPLES)]
    Resume(pause::ResumeArgs),
    /// Fill a projection anew beside the live one, compare, and switch to it
    #[command(after_help = rebuild::EXAMPLES)]
    Rebuild(rebuild::Args),
    /// Keep proving that every record has one outcome and that tables hold what the log makes
    #[command(after_help = services::RECONCILER_EXAMPLES)]
    Reconciler(services::ReconcilerArgs),
    /// Make something of several topics together, version by version
    #[command(after_help = services::GATHERER_EXAMPLES)]
    Gatherer(services::GathererArgs),
    /// Pass records on by another key: what is merged for a processor, and what it made
    #[command(after_help = services::RELAY_EXAMPLES)]
    Relay(services::RelayArgs),
    /// Show or change the rules that scoring decides by
    #[command(after_help = configure::RULES_EXAMPLES)]
    Rules(configure::Args),
    /// Show or change from which score on transactions are reviewed and blocked
    #[command(after_help = configure::THRESHOLDS_EXAMPLES)]
    Thresholds(configure::ThresholdsArgs),
    /// Show or change what is blocked whatever its score
    #[command(after_help = configure::LISTS_EXAMPLES)]
    Lists(configure::Args),
    /// Show since which offset each partition is scored by which rules, models and merchant risk
    #[command(after_help = configure::CONFIGURATION_EXAMPLES)]
    Configuration(configure::ShowArgs),
    /// Make topics, schemas and tables; what is there stays
    #[command(after_help = setup::EXAMPLES)]
    Setup(setup::Args),
    /// Show the log's topics, or make them
    #[command(after_help = topics::TOPICS_EXAMPLES)]
    Topics(topics::TopicsArgs),
    /// Show the log's schemas, or register them
    #[command(after_help = topics::SCHEMAS_EXAMPLES)]
    Schemas(topics::SchemasArgs),
    /// Show a topic's events, decoded, as they arrive
    #[command(after_help = watch::EXAMPLES)]
    Watch(watch::Args),
    /// Show where one event is: request, offset, score, dead letter, row, and when it got there
    #[command(after_help = trace::EXAMPLES)]
    Trace(trace::Args),
    /// Show dead letters, take them in again after a fix, or discard them
    #[command(after_help = deadletters::EXAMPLES)]
    Deadletters(deadletters::Args),
    /// Recompute what a processor wrote and compare, or write what is missing
    #[command(after_help = replay::EXAMPLES)]
    Replay(replay::Args),
    /// Check models, bring them, let them score
    #[command(after_help = model::EXAMPLES)]
    Model(model::Args),
    /// Show the first analytics, as tables
    #[command(after_help = overview::EXAMPLES)]
    Overview(overview::Args),
    /// Send files of transactions or receipts to the gateway
    #[command(after_help = loadgen::EXAMPLES)]
    Loadgen(loadgen::Args),
    /// Measure on this machine what is promised
    #[command(after_help = bench::EXAMPLES)]
    Bench(bench::Args),
    /// Grade scoring by a labelled stream sent through the running pipeline
    #[command(after_help = grade::EXAMPLES)]
    Grade(grade::Args),
    /// Show and check the configuration
    #[command(after_help = configuration::EXAMPLES)]
    Config(configuration::Args),
    /// Print completions for a shell
    #[command(after_help = completions::EXAMPLES)]
    Completions(completions::Args),
    /// Keep the local stack running; started by `millrace up`
    #[command(hide = true)]
    Supervise(supervise::Args),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Up(args) => up::run(&args),
        Command::Down(args) => down::run(&args),
        Command::Reset(args) => reset::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Logs(args) => logs::run(&args),
        Command::Sandbox(args) => sandbox::run(&args),
        Command::Engine(args) => engine::run(args),
        Command::Gateway(args) => services::run_gateway(&args),
        Command::Processor(args) => services::run_processor(&args),
        Command::Projector(args) => services::run_projector(&args),
        Command::Pause(args) => pause::run_pause(args),
        Command::Resume(args) => pause::run_resume(&args),
        Command::Rebuild(args) => rebuild::run(&args),
        Command::Reconciler(args) => services::run_reconciler(&args),
        Command::Gatherer(args) => services::run_gatherer(&args),
        Command::Relay(args) => services::run_relay(&args),
        Command::Rules(args) => configure::run(ConfigurationKind::Rules, args),
        Command::Thresholds(args) => configure::run_thresholds(args),
        Command::Lists(args) => configure::run(ConfigurationKind::Lists, args),
        Command::Configuration(args) => configure::run_show(&args),
        Command::Setup(args) => setup::run(&args),
        Command::Topics(args) => topics::run_topics(&args),
        Command::Schemas(args) => topics::run_schemas(&args),
        Command::Watch(args) => watch::run(args),
        Command::Trace(args) => trace::run(args),
        Command::Deadletters(args) => deadletters::run(args),
        Command::Replay(args) => replay::run(args),
        Command::Model(args) => model::run(args),
        Command::Overview(args) => overview::run(&args),
        Command::Loadgen(args) => loadgen::run(args),
        Command::Bench(args) => bench::run(&args),
        Command::Grade(args) => grade::run(&args),
        Command::Config(args) => configuration::run(&args),
        Command::Completions(args) => completions::run::<Cli>(&args),
        Command::Supervise(args) => supervise::run(&args),
    };
    outcome.unwrap_or_else(|error| exit::report(&error))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed_and_every_command_has_examples() {
        let mut cli = Cli::command();
        cli.build();
        cli.clone().debug_assert();
        for command in cli.get_subcommands().filter(|it| !it.is_hide_set() && it.get_name() != "help") {
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(examples.contains(&format!("millrace {}", command.get_name())), "{}", command.get_name());
        }
    }
}
