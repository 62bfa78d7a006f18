//! The upstream that all peers of `benches/compare/run` stand in front of: prints its port, then
//! answers until its standard input ends.

#[path = "../upstream/mod.rs"]
mod upstream;

use std::io::{self, Write};
use std::time::Duration;

fn main() -> io::Result<()> {
    let address = upstream::start(Duration::ZERO)?;
    writeln!(io::stdout(), "{}", address.port())?;
    io::stdout().flush()?;
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}
