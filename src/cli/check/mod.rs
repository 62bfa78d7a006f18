//! `vestibule check`: can other servers and clients reach a homeserver, and if not, why?

mod compat;
mod metrics;
mod progress;
mod tap;
mod text;
mod watch;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{Exit, Terminal};
use crate::federation::{
    self, ConnectTo, DnsSource, Options, Progress, Report, Resolve, SigningKey, Subject, Verdict,
};
use crate::matrix::ServerName;

/// Whom to check, and how.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub struct Arguments {
    /// The server name: what follows the colon of a user id
    #[arg(required_unless_present_any = ["from_config", "schema"])]
    server_name: Option<String>,
    /// Check the program that runs with this configuration, over loopback and without DNS
    #[arg(long, value_name = "FILE")]
    from_config: Option<PathBuf>,
    /// The server's own signing key, as Synapse keeps it, for signed requests to itself
    #[arg(long, value_name = "FILE")]
    signing_key: Option<PathBuf>,
    /// Answer in place of DNS, as curl does: HOST:PORT:ADDRESS[,ADDRESS...]
    #[arg(long, value_name = "HOST:PORT:ADDRESS")]
    resolve: Vec<Resolve>,
    /// Connect elsewhere than to a published address: ADDRESS:PORT=ADDRESS:PORT
    #[arg(long, value_name = "ADDRESS:PORT=ADDRESS:PORT")]
    connect_to: Vec<ConnectTo>,
    /// Ask this resolver instead of the system's
    #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = resolver)]
    dns: Option<SocketAddr>,
    /// Trust the certificate authorities of this PEM file too
    #[arg(long, value_name = "FILE")]
    ca_file: Vec<PathBuf>,
    /// Connect to private addresses, which other servers do not
    #[arg(long)]
    allow_private: bool,
    /// Ask this server what it knows of the keys, as other servers may
    #[arg(long, value_name = "SERVER_NAME", value_parser = server_name)]
    notary: Option<ServerName>,
    /// The longest that a look-up, a connection or an answer may take
    #[arg(long, value_name = "SECONDS", default_value = "8", value_parser = seconds)]
    timeout: Duration,
    /// Report as JSON
    #[arg(long, group = "format")]
    json: bool,
    /// Report for a test harness (Test Anything Protocol)
    #[arg(long, group = "format")]
    tap: bool,
    /// Report as another tester does
    #[arg(long, value_name = "TESTER", group = "format")]
    compat: Option<Compat>,
    /// Check again every so many seconds, until stopped
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    watch: Option<Duration>,
    /// With --watch: serve the result as Prometheus metrics here
    #[arg(long, value_name = "ADDRESS:PORT", requires = "watch")]
    metrics: Option<SocketAddr>,
    /// Print the JSON schema of the report
    #[arg(long)]
    schema: bool,
}

/// Whose report is imitated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Compat {
    /// The API of federationtester.matrix.org
    FederationTester,
}

/// Checks, and tells.
///
/// # Errors
/// When the terminal cannot be written to, or the system refuses a runtime.
pub fn run(arguments: &Arguments, terminal: &mut Terminal<'_>) -> io::Result<Exit> {
    if arguments.schema {
        let schema = serde_json::to_string_pretty(&Report::schema()).map_err(io::Error::other)?;
        writeln!(terminal.out, "{schema}")?;
        return Ok(Exit::Done);
    }
    let subjects = match subjects(arguments, terminal)? {
        Ok(subjects) => subjects,
        Err(exit) => return Ok(exit),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let exit = runtime.block_on(async {
        match arguments.watch {
            Some(pause) => watch::watch(&subjects, pause, arguments.metrics, terminal).await,
            None => once(arguments, subjects, terminal).await,
        }
    });
    // A look-up in the hosts file, or a connection that nobody waits for.
    runtime.shutdown_background();
    exit
}

async fn once(
    arguments: &Arguments,
    subjects: Vec<Subject>,
    terminal: &mut Terminal<'_>,
) -> io::Result<Exit> {
    let mut worst = Exit::Done;
    for Subject {
        server_name,
        options,
    } in subjects
    {
        let progress = Arc::new(Progress::default());
        let check = federation::check(&server_name, options, progress.clone());
        let checked = progress::shown(check, &progress, terminal).await?;
        let report = match checked {
            Ok(report) => report,
            Err(reason) => {
                writeln!(terminal.err, "error: {reason}")?;
                return Ok(Exit::Failed);
            }
        };
        if report.verdict == Verdict::Broken {
            worst = Exit::Problems;
        }
        tell(arguments, &report, terminal)?;
    }
    Ok(worst)
}

fn tell(arguments: &Arguments, report: &Report, terminal: &mut Terminal<'_>) -> io::Result<()> {
    if arguments.json {
        let json = serde_json::to_string_pretty(report).map_err(io::Error::other)?;
        writeln!(terminal.out, "{json}")
    } else if arguments.tap {
        write!(terminal.out, "{}", tap::tap(report))
    } else if arguments.compat == Some(Compat::FederationTester) {
        writeln!(terminal.out, "{}", compat::federation_tester(report))
    } else {
        write!(
            terminal.out,
            "{}",
            text::text(report, terminal.is_out_coloured)
        )
    }
}

/// What the arguments name; an exit where they make no sense.
fn subjects(
    arguments: &Arguments,
    terminal: &mut Terminal<'_>,
) -> io::Result<Result<Vec<Subject>, Exit>> {
    let options = match options(arguments) {
        Ok(options) => options,
        Err(reason) => {
            writeln!(terminal.err, "error: {reason}")?;
            return Ok(Err(Exit::Usage));
        }
    };
    let Some(file) = &arguments.from_config else {
        let server_name = arguments.server_name.clone().unwrap_or_default();
        return Ok(Ok(vec![Subject {
            server_name,
            options,
        }]));
    };
    let Some(config) = super::load(file, terminal)? else {
        return Ok(Err(Exit::Usage));
    };
    let only = arguments.server_name.as_deref();
    match federation::subjects(&config, only, &options, &arguments.ca_file) {
        Ok(subjects) => Ok(Ok(subjects)),
        Err(reason) => {
            writeln!(terminal.err, "error: {reason}")?;
            Ok(Err(Exit::Usage))
        }
    }
}

fn options(arguments: &Arguments) -> Result<Options, String> {
    let mut files = arguments.ca_file.clone();
    files.dedup();
    let signing_key = match &arguments.signing_key {
        Some(path) => {
            let key = SigningKey::read(path);
            let key = key.map_err(|error| format!("--signing-key {}: {error}", path.display()))?;
            Some(Arc::new(key))
        }
        None => None,
    };
    let roots = federation::roots(&files).map_err(|error| format!("--ca-file: {error}"))?;
    Ok(Options {
        resolve: arguments.resolve.clone(),
        connect_to: arguments.connect_to.clone(),
        dns: arguments.dns.map_or(DnsSource::System, DnsSource::Server),
        roots: Arc::new(roots),
        allow_private: arguments.allow_private,
        signing_key,
        notary: arguments.notary.clone(),
        ..Options::new(arguments.timeout)
    })
}

fn resolver(text: &str) -> Result<SocketAddr, String> {
    let with_port = text.parse::<SocketAddr>();
    let alone = || {
        text.parse::<IpAddr>()
            .map(|address| SocketAddr::new(address, 53))
    };
    with_port
        .or_else(|_| alone())
        .map_err(|_| "write 9.9.9.9, 127.0.0.1:5353 or [::1]:53".to_owned())
}

fn server_name(text: &str) -> Result<ServerName, String> {
    text.parse().map_err(|reason| format!("{reason}"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let parsed = text
        .parse::<f64>()
        .ok()
        .filter(|seconds| (0.1..=86_400.0).contains(seconds));
    parsed
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "write seconds, from 0.1 to 86400".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::tests::ran;
    use super::*;

    #[test]
    fn what_is_no_server_name_is_told_without_a_packet() {
        let (exit, out, _) = ran(&["check", "https://example.org", "--dns", "127.0.0.1:1"]);
        assert_eq!(exit, Exit::Problems);
        assert!(out.contains("name.invalid"), "{out}");
    }

    #[test]
    fn wrong_options_are_bad_usage() {
        for arguments in [
            &["check"][..],
            &["check", "a", "--resolve", "b"],
            &["check", "a", "--timeout", "0"],
            &["check", "a", "--json", "--tap"],
            &["check", "a", "--metrics", "127.0.0.1:1"],
            &["check", "a", "--notary", "b/c"],
            &["check", "a", "--signing-key", "/does/not/exist"],
            &["check", "a", "--ca-file", "/does/not/exist"],
            &["check", "--from-config", "/does/not/exist"],
        ] {
            let (exit, _, err) = ran(arguments);
            assert_eq!(exit, Exit::Usage, "{arguments:?}: {err}");
        }
    }

    #[test]
    fn the_schema_describes_the_report() {
        let (exit, out, _) = ran(&["check", "--schema"]);
        let schema: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(exit, Exit::Done);
        assert_eq!(schema["properties"]["findings"]["type"], "array");
    }
}
