//! Millrace, the one binary: every part is a command of it, and this file is the table of contents.

mod commands;
mod exit;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use commands::{completions, down, engine, logs, reset, sandbox, status, supervise, up};

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
