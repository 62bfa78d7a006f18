//! Open files: every connection is one, or two while it is forwarded.

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::config::Config;

/// Descriptors beside connections: listeners, logs, the runtime's own.
const OTHERS: u64 = 64;

/// Raises the soft limit of open files to the hard one, as nginx and `HAProxy`
/// do, and says where even that is too low for `limits.connections`.
pub(super) fn raise_limit(config: &Config) {
    let mut limit = getrlimit(Resource::Nofile);
    let soft = limit.current;
    limit.current = limit.maximum;
    if setrlimit(Resource::Nofile, limit).is_err() {
        limit.current = soft;
    }
    let connections = config.limits.connections.number();
    let wanted = 2 * u64::from(connections) + OTHERS;
    if let Some(files) = limit.current
        && files < wanted
    {
        tracing::warn!(
            "{files} files may be open, and limits.connections = {connections} can take {wanted}; \
             raise the hard limit (systemd: LimitNOFILE={wanted}) or lower limits.connections"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        let text = "server_name = \"a.test\"\nhomeserver = \"http://127.0.0.1:8008\"";
        raise_limit(&Config::parse("test.toml", text).unwrap());
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
