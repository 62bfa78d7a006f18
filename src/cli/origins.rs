//! `vestibule origins`: the servers that send most to the running process.

use std::io;
use std::path::PathBuf;

use clap::Args;
use http::Method;

use super::running::{Running, runtime};
use super::{CONFIGURATION, Exit, Terminal, load};
use crate::admin::OriginRow;

const PATH: &str = "/origins";
/// What to do where nobody can be asked.
const REMEDY: &str = "set it to an address, such as \"127.0.0.1:9180\"";
const HEADINGS: [&str; 8] = [
    "SERVER", "A MINUTE", "ALL", "VERIFIED", "REFUSED", "FAILED", "MIB IN", "WAITED",
];

/// Which process, and how to show it.
#[derive(Debug, Args)]
pub(super) struct Command {
    /// The configuration file that the process runs with
    #[arg(short, long = "config", value_name = "FILE", default_value = CONFIGURATION)]
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Lists the servers that send most, the busiest first.
///
/// # Errors
/// When the terminal cannot be written to, or the system refuses a runtime.
pub(super) fn run(command: &Command, terminal: &mut Terminal<'_>) -> io::Result<Exit> {
    let Some(config) = load(&command.file, terminal)? else {
        return Ok(Exit::Usage);
    };
    let runtime = runtime()?;
    let asked = runtime.block_on(async {
        let running = Running::of(&config, REMEDY)?;
        running.ask::<Vec<OriginRow>>(Method::GET, PATH).await
    });
    runtime.shutdown_background();
    let origins = match asked {
        Ok(origins) => origins,
        Err(problem) => {
            writeln!(terminal.err, "error: {problem}")?;
            return Ok(Exit::Failed);
        }
    };
    if command.json {
        let text = serde_json::to_string_pretty(&origins)?;
        writeln!(terminal.out, "{text}")?;
    } else if origins.is_empty() {
        writeln!(terminal.out, "no other server has sent anything yet")?;
    } else {
        write(&origins, terminal)?;
    }
    Ok(Exit::Done)
}

fn write(origins: &[OriginRow], terminal: &mut Terminal<'_>) -> io::Result<()> {
    let names = origins.iter().map(|of| of.origin.len());
    let width = names.chain([HEADINGS[0].len()]).max().unwrap_or_default();
    let [server, numbers @ ..] = HEADINGS;
    write!(terminal.out, "{server:width$}")?;
    for heading in numbers {
        write!(terminal.out, " {heading:>9}")?;
    }
    writeln!(terminal.out)?;
    for of in origins {
        write!(terminal.out, "{:width$} {:>9.1}", of.origin, of.per_minute)?;
        for number in [of.requests, of.verified, of.refused, of.failed] {
            write!(terminal.out, " {number:>9}")?;
        }
        let mebibytes = of.bytes_in >> 20;
        write!(terminal.out, " {mebibytes:>9} {:>8.1}s", of.waited_seconds)?;
        let doubt = if of.believed { "" } else { "  not proven" };
        writeln!(terminal.out, "{doubt}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(origin: &str, believed: bool) -> OriginRow {
        OriginRow {
            origin: origin.to_owned(),
            believed,
            per_minute: 12.5,
            requests: 400,
            verified: 390,
            refused: 3,
            failed: 1,
            bytes_in: 5 << 20,
            bytes_out: 2,
            waited_seconds: 1.5,
        }
    }

    #[test]
    fn servers_stand_in_columns() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut terminal = Terminal {
            out: &mut out,
            err: &mut err,
            is_coloured: false,
            is_out_coloured: false,
        };
        write(
            &[row("busy.example:8448", true), row("b.test", false)],
            &mut terminal,
        )
        .unwrap();
        let expected = [
            "SERVER             A MINUTE       ALL  VERIFIED   REFUSED    FAILED    MIB IN    WAITED",
            "busy.example:8448      12.5       400       390         3         1         5      1.5s",
            "b.test                 12.5       400       390         3         1         5      1.5s  not proven",
        ];
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }
}
