//! The figures and the file that they are committed in.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::process::Command;

const FILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/benches/instructions/figures.toml"
);

const HEADER: &str = "\
# Instructions executed on x86_64: one call of each hot function, and a thousand requests through the
# program. Written by `benches/instructions/run --update`, which CI holds every change against.
";

/// How many instructions what executes.
pub(crate) struct Figures {
    /// What compiled the program: another compiler has other figures.
    pub(crate) compiler: String,
    /// By name, each `group/case`.
    pub(crate) instructions: BTreeMap<String, u64>,
}

impl Figures {
    /// None yet, of a program that this machine's compiler builds.
    pub(crate) fn new() -> Self {
        let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let version = Command::new(compiler).arg("--version").output().unwrap();
        Self {
            compiler: String::from_utf8_lossy(&version.stdout).trim().to_owned(),
            instructions: BTreeMap::new(),
        }
    }

    /// Those that were committed.
    pub(crate) fn read() -> Self {
        let text = fs::read_to_string(FILE).unwrap_or_default();
        let table: toml::Table = text.parse().unwrap_or_else(|e| panic!("{FILE}: {e}"));
        let compiler = table.get("compiler").and_then(toml::Value::as_str);
        let groups = table.iter().filter_map(|(group, cases)| {
            let cases = cases.as_table()?.iter();
            Some(cases.map(move |(case, count)| (format!("{group}/{case}"), count)))
        });
        let counts = groups.flatten().filter_map(|(name, count)| {
            let count = u64::try_from(count.as_integer()?).ok()?;
            Some((name, count))
        });
        Self {
            compiler: compiler.unwrap_or_default().to_owned(),
            instructions: counts.collect(),
        }
    }

    pub(crate) fn set(&mut self, name: &str, count: u64) {
        self.instructions.insert(name.to_owned(), count);
    }

    /// Puts them in the place of those that were committed.
    pub(crate) fn write(&self) {
        let mut text = format!("{HEADER}compiler = \"{}\"\n", self.compiler);
        let mut last = "";
        for (name, count) in &self.instructions {
            let (group, case) = name.split_once('/').unwrap();
            if group != last {
                writeln!(text, "\n[{group}]").unwrap();
                last = group;
            }
            writeln!(text, "{case} = {count}").unwrap();
        }
        fs::write(FILE, text).unwrap();
    }
}
