//! Unix sockets: the file, who may connect, and files that a dead process left.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use socket2::{Domain, SockAddr, Socket, Type};

use super::BindProblem;

/// Owner and group may connect, others may not.
const MODE: u32 = 0o660;

/// What `sun_path` holds, without the closing NUL.
const PATH_LENGTH_MAX: usize = 107;

pub(super) fn bind(path: &Path, backlog: i32) -> Result<UnixListener, BindProblem> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(BindProblem::NoFolder {
            folder: folder.to_owned(),
        });
    }
    if path.as_os_str().len() > PATH_LENGTH_MAX {
        return Err(BindProblem::PathTooLong {
            max: PATH_LENGTH_MAX,
        });
    }
    remove_stale(path)?;
    listen(path, backlog).map_err(|source| {
        if source.kind() == io::ErrorKind::PermissionDenied {
            BindProblem::FolderReadOnly {
                folder: folder.to_owned(),
            }
        } else if source.kind() == io::ErrorKind::AddrInUse {
            BindProblem::SocketInUse
        } else {
            BindProblem::Other { source }
        }
    })
}

/// The mode is set between `bind` and `listen`: before the latter nobody can
/// connect, so no moment is left in which the umask decides who may.
fn listen(path: &Path, backlog: i32) -> io::Result<UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    fs::set_permissions(path, Permissions::from_mode(MODE))?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// Removes the socket file of a process that is gone.
fn remove_stale(path: &Path) -> Result<(), BindProblem> {
    let other = |source| BindProblem::Other { source };
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => {}
        Ok(_) => return Err(BindProblem::NotASocket),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(other(error)),
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(other)
        }
        // Whoever removed it in the meantime saved us the work.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(_) => Err(BindProblem::SocketInUse),
        Err(error) => Err(other(error)),
    }
}
