//! Another process in place of this one, from the same command line: it gets the listening
//! sockets, so that no connection is refused, and says when it serves.
//!
//! The sockets are handed over as systemd does it (`LISTEN_FDS`, `sd_listen_fds(3)`), and with them
//! one end of a pair of datagram sockets, on which the successor says that it is ready.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::Running;
use crate::admin::Report;
use crate::listen::socket::Available;
use crate::listen::tls::SharedTickets;

/// How long a successor may take until it serves.
const START: Duration = Duration::from_mins(2);

/// What it says then.
const READY: &[u8] = b"ready";

/// The first file descriptor that is handed over, as systemd counts.
const FIRST: i32 = 3;

/// Why no other process has taken this one's place, which goes on.
#[derive(Debug, thiserror::Error)]
pub enum NoSuccessor {
    /// The program is not where it was, or cannot be run.
    #[error("{} cannot be run: {source}", program.display())]
    Program {
        /// The file.
        program: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The sockets cannot be handed over.
    #[error("the sockets cannot be handed over: {0}")]
    Sockets(#[from] io::Error),
    /// It ended before it served; its own log says why.
    #[error("it ended before it served ({0}); what it wrote before this line says why")]
    Ended(ExitStatus),
    /// This process is to stop instead.
    #[error("this process has to stop ({0})")]
    Stopped(&'static str),
    /// It took too long.
    #[error("it does not serve after {} s", START.as_secs())]
    Late,
}

/// A process that serves in place of this one.
#[derive(Debug)]
pub struct Successor {
    /// Its number.
    pub process: u32,
}

/// The process whose place this one takes.
#[derive(Debug)]
pub struct Predecessor(UnixDatagram);

impl Predecessor {
    /// Tells it that this process serves.
    pub fn tell(self) -> io::Result<()> {
        self.0.send(READY).map(drop)
    }
}

/// What another process leaves to this one.
#[derive(Default)]
pub struct Inherited {
    pub(super) available: Available,
    pub(super) ticket_secret: Option<TicketSecret>,
}

impl Inherited {
    /// Where no secret was left, there is a new one.
    pub(super) fn into_parts(self) -> Result<(Available, TicketSecret), rustls::Error> {
        let secret = self.ticket_secret.map_or_else(TicketSecret::new, Ok)?;
        Ok((self.available, secret))
    }
}

/// What session tickets are sealed with: a successor resumes the sessions of its predecessor.
pub(super) struct TicketSecret([u8; 64]);

impl TicketSecret {
    /// One that nobody knows.
    pub(super) fn new() -> Result<Self, rustls::Error> {
        let mut secret = [0; 64];
        let filled = aws_lc_rs::rand::fill(&mut secret);
        filled.map_err(|_| rustls::Error::FailedToGetRandomBytes)?;
        Ok(Self(secret))
    }

    /// What seals and opens tickets with it.
    pub(super) fn tickets(&self) -> Result<Arc<SharedTickets>, rustls::Error> {
        let tickets = SharedTickets::new(&self.0);
        let tickets = tickets.map_err(|short| rustls::Error::General(short.to_string()))?;
        Ok(Arc::new(tickets))
    }
}

/// What the environment hands over, and to whom it is to be said that it is in use.
pub fn inherited() -> io::Result<(Inherited, Option<Predecessor>)> {
    let (available, predecessor) = Available::from_environment()?;
    let mut inherited = Inherited {
        available,
        ticket_secret: None,
    };
    if let Some(socket) = &predecessor {
        // It was sent before this process began.
        socket.set_nonblocking(true)?;
        let mut secret = TicketSecret([0; 64]);
        if socket.recv(&mut secret.0).ok() == Some(secret.0.len()) {
            inherited.ticket_secret = Some(secret);
        }
    }
    Ok((inherited, predecessor.map(Predecessor)))
}

/// A process that may not come to serve: it ends with this, unless it is let go.
struct Starting(Option<Child>);

impl Starting {
    async fn ended(&mut self) -> io::Result<ExitStatus> {
        match &mut self.0 {
            Some(child) => child.wait().await,
            None => std::future::pending().await,
        }
    }

    fn let_go(mut self) -> Option<Successor> {
        let mut child = self.0.take()?;
        let process = child.id()?;
        // Whoever starts processes looks after them until they end.
        tokio::spawn(async move { child.wait().await });
        Some(Successor { process })
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // It may have ended by itself.
            drop(child.start_kill());
        }
    }
}

impl Running {
    /// Runs `program` with the arguments of this process, and waits until it serves. After that
    /// this one should [`retire`](Self::retire); after an error it goes on as if nothing had been.
    pub async fn hand_over(&self, program: PathBuf) -> Result<Successor, NoSuccessor> {
        let result = self.succession(program).await;
        if let Err(error) = &result {
            let mut report = Report::clone(&self.reloads.report());
            report.failed_upgrades += 1;
            report.failed_upgrade = Some(error.to_string());
            self.reloads.publish(report);
            self.telemetry.upgrade_failed();
        }
        result
    }

    async fn succession(&self, program: PathBuf) -> Result<Successor, NoSuccessor> {
        let (ours, theirs) = UnixDatagram::pair()?;
        ours.set_nonblocking(true)?;
        ours.send(&self.ticket_secret.0)?;
        let ours = tokio::net::UnixDatagram::from_std(ours)?;
        let mut starting = Starting(Some(self.run(&program, theirs)?));
        let mut word = [0; READY.len() + 1];
        tokio::select! {
            said = timeout(START, ours.recv(&mut word)) => match said {
                Ok(Ok(length)) if word.get(..length) == Some(READY) => {}
                Ok(_) | Err(_) => return Err(NoSuccessor::Late),
            },
            ended = starting.ended() => return Err(NoSuccessor::Ended(ended?)),
        }
        starting.let_go().ok_or(NoSuccessor::Late)
    }

    fn run(&self, program: &PathBuf, ready: UnixDatagram) -> Result<Child, NoSuccessor> {
        let sockets = self.doors.sockets().chain(self.admin.sockets());
        let mut handed = sockets
            .map(|socket| socket.as_fd().try_clone_to_owned())
            .collect::<io::Result<Vec<_>>>()?;
        handed.push(ready.into());
        let mut command = std::process::Command::new(program);
        command
            .args(std::env::args_os().skip(1))
            .stdin(Stdio::null());
        // Without LISTEN_PID: nobody knows the number of a process before it is there.
        command.env("LISTEN_FDS", handed.len().to_string());
        for name in ["LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_PID"] {
            command.env_remove(name);
        }
        let mappings = handed
            .into_iter()
            .zip(FIRST..)
            .map(|(parent_fd, child_fd)| FdMapping {
                parent_fd,
                child_fd,
            });
        let collision = |error: command_fds::FdMappingCollision| io::Error::other(error);
        command.fd_mappings(mappings.collect()).map_err(collision)?;
        Command::from(command)
            .spawn()
            .map_err(|source| NoSuccessor::Program {
                program: program.clone(),
                source,
            })
    }
}
