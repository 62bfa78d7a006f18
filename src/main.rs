//! Arguments in, exit code out.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use vestibule::cli::{self, Exit, Terminal};
use vestibule::listen::tls;

fn main() -> ExitCode {
    // Fails only if there is a provider already, and nothing ran before this line.
    let _ = tls::crypto_provider().install_default();
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let may_be_coloured = std::env::var_os("NO_COLOR").is_none();
    let is_coloured = err.is_terminal() && may_be_coloured;
    let is_out_coloured = out.is_terminal() && may_be_coloured;
    let mut terminal = Terminal {
        out: &mut out,
        err: &mut err,
        is_coloured,
        is_out_coloured,
    };
    match cli::main(std::env::args_os(), &mut terminal) {
        Ok(exit) => exit.into(),
        // Whoever read the output went away: nobody is left to be told.
        Err(_) => Exit::Failed.into(),
    }
}
