//! The command `send`: its arguments, and what it prints.

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;

use super::{SendError, SendOptions, read_all, send};

/// Send files of transactions or receipts to the gateway, and keep its answers.
///
/// Exit codes: 0 when every item has a final answer (a refusal is one), 1 when anything was left unread or unsent, 2 when nothing
/// could be sent at all.
#[derive(Debug, Clone, clap::Args)]
pub struct SendArgs {
    /// What to send where.
    #[command(flatten)]
    pub options: SendOptions,

    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,

    /// Send nothing: print each item as it would be sent.
    #[arg(long, conflicts_with_all = ["answers", "json"])]
    pub dry_run: bool,
}

impl SendArgs {
    /// Runs the command, prints its report to standard output and gives its exit code.
    pub async fn run(self) -> Result<u8, SendError> {
        if self.dry_run {
            return self.print_items().map(|()| 0);
        }
        let report = send(self.options).await?;
        if self.json {
            // A report is made of numbers and texts, which always serialize.
            println!("{}", serde_json::to_string_pretty(&report).unwrap_or_default());
        } else {
            print!("{report}");
        }
        Ok(report.exit_code())
    }

    fn print_items(&self) -> Result<(), SendError> {
        let mut out = BufWriter::new(io::stdout().lock());
        read_all(&self.options, &mut |body| {
            // Whoever reads the output may have seen enough of it.
            match out.write_all(body).and_then(|()| out.write_all(b"\n")) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: SendArgs,
    }

    fn parse(arguments: &[&str]) -> Result<SendArgs, clap::Error> {
        Cli::try_parse_from(["send"].iter().chain(arguments)).map(|cli| cli.args)
    }

    #[test]
    fn defaults_are_those_of_the_library() {
        let options = SendOptions {
            quiet: false,
            gateway: None,
            ..SendOptions::new("http://127.0.0.1:8080".parse().unwrap(), vec!["a.json".into()])
        };
        assert_eq!(format!("{:?}", parse(&["a.json"]).unwrap().options), format!("{options:?}"));
    }

    #[test]
    fn arguments_out_of_range_are_refused() {
        for arguments in [
            &[][..],
            &["a.json", "--batch", "0"],
            &["a.json", "--parallel", "1000"],
            &["a.json", "--rate", "0"],
            &["a.json", "--gateway", "nowhere"],
            &["a.json", "--kind", "cheques"],
            &["a.json", "--answers-with-items"],
            &["a.json", "--dry-run", "--json"],
        ] {
            assert!(parse(arguments).is_err(), "{arguments:?}");
        }
    }
}
