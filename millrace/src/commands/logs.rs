//! `millrace logs`: the end of the logs of the local stack, and what comes.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use millrace_local::Home;

pub const EXAMPLES: &str = "Examples:
  millrace logs                     the last lines of every log
  millrace logs --follow            and what comes
  millrace logs kafka --lines 500";

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// No more than this of a log is read to find its last lines.
const END_BYTES_MAX: u64 = 4 * 1024 * 1024;

#[derive(clap::Args)]
pub struct Args {
    /// Only these; all when none is named
    names: Vec<String>,
    /// Go on until Ctrl-C
    #[arg(long, short)]
    follow: bool,
    /// How many lines of each log to begin with
    #[arg(long, short = 'n', default_value_t = 20, value_name = "N")]
    lines: usize,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    let home = Home::find()?;
    let mut logs = open(&home, &args.names)?;
    let width = logs.iter().map(|log| log.name.len()).max().unwrap_or(0);
    let mut shown = true;
    for log in &mut logs {
        let end = log.end(args.lines)?;
        shown = shown && show(&log.name, width, &end);
    }
    while shown && args.follow {
        thread::sleep(LOOK_EVERY);
        for log in &mut logs {
            let new = log.new_lines()?;
            shown = shown && show(&log.name, width, &new);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints lines; false when whoever reads them has seen enough.
fn show(name: &str, width: usize, text: &str) -> bool {
    let mut out = io::stdout().lock();
    text.lines().all(|line| writeln!(out, "{name:<width$} | {line}").is_ok()) && out.flush().is_ok()
}

fn open(home: &Home, names: &[String]) -> Result<Vec<Log>> {
    let entries = fs::read_dir(home.logs());
    let entries =
        entries.with_context(|| format!("there are no logs in {} yet: start with `make up`", home.logs().display()))?;
    let mut all: Vec<String> = entries
        .flatten()
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".log")?.to_owned()))
        .collect();
    all.sort();
    if let Some(stranger) = names.iter().find(|name| !all.contains(name)) {
        bail!("there is no log of {stranger}: there are {}", all.join(", "));
    }
    let wanted = if names.is_empty() { all } else { names.to_vec() };
    wanted.into_iter().map(|name| Log::open(home.log(&name), name)).collect()
}

/// A log that is read to its end, again and again, also when a new file takes the place of a full one.
struct Log {
    name: String,
    path: PathBuf,
    file: File,
    rest: Vec<u8>,
}

impl Log {
    fn open(path: PathBuf, name: String) -> Result<Self> {
        let file = File::open(&path).with_context(|| format!("reading {}", path.display()))?;
        Ok(Self { name, path, file, rest: Vec::new() })
    }

    /// The last lines; reading goes on after them.
    fn end(&mut self, lines: usize) -> Result<String> {
        let length = self.file.metadata()?.len();
        self.file.seek(SeekFrom::Start(length.saturating_sub(END_BYTES_MAX)))?;
        let text = self.read_lines()?;
        let all: Vec<&str> = text.lines().collect();
        Ok(all[all.len().saturating_sub(lines)..].join("\n"))
    }

    /// Whole lines that came since, first those of a file that was set aside meanwhile.
    fn new_lines(&mut self) -> Result<String> {
        let mut text = self.read_lines()?;
        let here = fs::metadata(&self.path).map(|meta| meta.ino()).ok();
        if here.is_some_and(|inode| self.file.metadata().is_ok_and(|meta| meta.ino() != inode)) {
            self.file = File::open(&self.path).with_context(|| format!("reading {}", self.path.display()))?;
            text.push_str(&self.read_lines()?);
        } else if self.file.metadata()?.len() < self.file.stream_position()? {
            self.file.rewind()?;
            text.push_str(&self.read_lines()?);
        }
        Ok(text)
    }

    fn read_lines(&mut self) -> Result<String> {
        self.file.read_to_end(&mut self.rest).with_context(|| format!("reading {}", self.path.display()))?;
        let whole = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let lines: Vec<u8> = self.rest.drain(..whole).collect();
        Ok(String::from_utf8_lossy(&lines).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_followed_whole_and_into_the_next_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        fs::write(&path, "one\ntwo\nthree\nfo").unwrap();
        let mut log = Log::open(path.clone(), "a".to_owned()).unwrap();
        assert_eq!(log.end(2).unwrap(), "two\nthree");
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"ur\n").unwrap();
        assert_eq!(log.new_lines().unwrap(), "four\n");
        file.write_all(b"five\n").unwrap();
        fs::rename(&path, path.with_added_extension("1")).unwrap();
        fs::write(&path, "six\n").unwrap();
        assert_eq!(log.new_lines().unwrap(), "five\nsix\n");
        fs::write(&path, "").unwrap();
        assert_eq!(log.new_lines().unwrap(), "");
        fs::write(&path, "7\n").unwrap();
        assert_eq!(log.new_lines().unwrap(), "7\n");
    }
}
