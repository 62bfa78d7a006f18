//! Whatever files there are, what is written from them is good.

use std::fmt::Write;

use proptest::prelude::*;

use super::{MAIN, read};
use crate::config::Config;
use crate::synapse::{import, lint};

prop_compose! {
    fn any_worker()(
        name in "(sync|generic|sso|typing|media|federation_reader|pusher|x|[a-zA-Z0-9+_ ./-]{1,12})[0-9]?",
        port in 8080..8084_u16,
        path in prop::option::of("/[a-z]{1,3}\\.sock"),
        address in prop::sample::select(vec!["127.0.0.1", "::1", "0.0.0.0", "::", "192.0.2.1", "synapse"]),
        resources in prop::sample::subsequence(vec!["client", "federation", "media", "replication", "health"], 0..5),
        more in prop::sample::select(vec!["", "enable_media_repo: true", "enable_media_repo: no"]),
    ) -> (String, String) {
        let place = path.map_or(format!("port: {port}, bind_addresses: ['{address}']"), |path| format!("path: {path}"));
        let text = format!(
            "worker_app: synapse.app.generic_worker\nworker_name: '{name}'\nworker_listeners:\n  \
             - {{type: http, {place}, resources: [{{names: [{}]}}]}}\n{more}\n",
            resources.join(", ")
        );
        (name, text)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_is_imported_loads_and_stays(
        workers in prop::collection::vec(any_worker(), 0..6),
        stream in prop::sample::select(vec!["typing", "receipts", "device_lists", "quarantined_media_changes"]),
        host in prop::sample::select(vec!["localhost", "other", "w.example.com."]),
    ) {
        let mut names: Vec<&str> = workers.iter().map(|(name, _)| name.as_str()).collect();
        names.dedup();
        let mut text = MAIN.to_owned();
        if let Some(first) = names.first() {
            let _ = writeln!(text, "stream_writers: {{{stream}: ['{}']}}", names.join("', '"));
            let _ = writeln!(text, "instance_map: {{main: {{host: '{host}', port: 1}}, '{first}': {{host: '{host}', port: 2}}}}");
        }
        let mut files = vec![("homeserver.yaml", &*text)];
        files.extend(workers.iter().map(|(name, text)| (&**name, &**text)));
        if let Ok(deployment) = read(&files) {
            let imported = import(&deployment).unwrap();
            let config = Config::parse("imported", &imported.text);
            let config = config.unwrap_or_else(|problems| panic!("{problems}\n{}", imported.text));
            lint(&deployment, &config);
            let shown = toml::to_string(&config).unwrap();
            prop_assert!(Config::parse("shown", &shown).unwrap().means_the_same(&config));
            files[1..].reverse();
            let again = import(&read(&files).unwrap()).unwrap();
            prop_assert_eq!(again.text, imported.text);
        }
    }
}
