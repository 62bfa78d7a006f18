//! Checks again and again, so that what breaks in silence raises an alarm.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};

use super::metrics::metrics;
use super::{Exit, Subject, Terminal};
use crate::federation::{self, Progress, Report};

/// A scraper sends its request in less.
const PATIENCE: Duration = Duration::from_secs(5);
/// The head of its request is smaller.
const LARGEST_HEAD: u64 = 8 << 10;

/// Checks every `pause`, until SIGTERM or SIGINT.
pub(super) async fn watch(
    subjects: &[Subject],
    pause: Duration,
    listen: Option<SocketAddr>,
    terminal: &mut Terminal<'_>,
) -> io::Result<Exit> {
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let published = Arc::new(ArcSwap::from_pointee(metrics(&[])));
    if let Some(address) = listen {
        let listener = match TcpListener::bind(address).await {
            Ok(listener) => listener,
            Err(error) => {
                writeln!(terminal.err, "error: cannot listen on {address}: {error}")?;
                return Ok(Exit::Failed);
            }
        };
        writeln!(
            terminal.err,
            "metrics on http://{}/metrics",
            listener.local_addr()?
        )?;
        tokio::spawn(serve(listener, published.clone()));
    }
    loop {
        let round = async {
            let mut reports: Vec<Report> = Vec::new();
            for subject in subjects {
                let progress = Arc::new(Progress::default());
                let options = subject.options.clone();
                reports.push(federation::check(&subject.server_name, options, progress).await?);
            }
            Ok::<_, String>(reports)
        };
        let reports = tokio::select! {
            _ = terminate.recv() => return Ok(Exit::Done),
            _ = interrupt.recv() => return Ok(Exit::Done),
            reports = round => reports,
        };
        match reports {
            Ok(reports) => {
                published.store(Arc::new(metrics(&reports)));
                for report in &reports {
                    writeln!(terminal.out, "{}", line(report))?;
                }
                terminal.out.flush()?;
            }
            Err(reason) => writeln!(terminal.err, "error: {reason}")?,
        }
        tokio::select! {
            _ = terminate.recv() => return Ok(Exit::Done),
            _ = interrupt.recv() => return Ok(Exit::Done),
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// One round in one line: `example.org ok 1.2 s`, with what was found.
fn line(report: &Report) -> String {
    let verdict = match report.verdict {
        federation::Verdict::Healthy => "ok",
        federation::Verdict::Warnings => "warnings",
        federation::Verdict::Broken => "broken",
    };
    let ids: Vec<_> = report
        .findings
        .iter()
        .map(|finding| finding.id.as_str())
        .collect();
    let (name, took) = (&report.server_name, report.took_ms);
    format!(
        "{} {name} {verdict} {took} ms {}",
        report.checked_at,
        ids.join(" ")
    )
    .trim_end()
    .to_owned()
}

async fn serve(listener: TcpListener, published: Arc<ArcSwap<String>>) {
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            let text = published.load_full();
            // One after the other: there are few scrapers, and each has little time.
            let _ = tokio::time::timeout(PATIENCE, answer(stream, &text)).await;
        }
    }
}

async fn answer(mut stream: TcpStream, text: &str) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut head = Vec::new();
    let mut reader = reader.take(LARGEST_HEAD);
    while !head.ends_with(b"\r\n\r\n") {
        if reader.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let is_known = head.starts_with(b"GET /metrics ");
    let (status, body) = if is_known {
        ("200 OK", text)
    } else {
        ("404 Not Found", "see /metrics\n")
    };
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    writer.write_all(answer.as_bytes()).await?;
    writer.shutdown().await
}
