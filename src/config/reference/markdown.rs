//! `docs/CONFIG.md`.

use std::fmt::Write;

use super::{Key, Section, inline, sections};

const HEAD: &str = "\
# Configuration

<!-- Generated from the doc comments in src/config by `vestibule config reference`. -->

One TOML file. Two lines are complete:

```toml
server_name = \"example.com\"
homeserver = \"http://127.0.0.1:8008\"
```

`vestibule config check FILE` reports every problem of a file at once,
`vestibule config show FILE` prints it with all defaults filled in, and
`vestibule config schema` prints a JSON schema for editors.

With several homeservers the keys of a site stand under `[[sites]]` each, its
tables under `[sites.well_known]`, `[[sites.routes]]` and so on; here they are
told where they stand for a single site, at top level. TOML wants the keys of the
top level above the first `[table]`.

- A *duration* is a whole number and `ms`, `s`, `m`, `h` or `d`: `\"30s\"`.
- A *size* is a number and `K`, `M` or `G` as Synapse counts (`\"50M\"` is 50 * 1024
  * 1024 bytes), or bytes as a plain number.
- A *network* is `\"10.0.0.0/8\"`, `\"2001:db8::/32\"` or a single address.
- Relative paths start at the folder of the file.
";

/// The reference as Markdown.
pub fn markdown() -> String {
    let mut text = HEAD.to_owned();
    for section in sections() {
        // Writing to a string cannot fail.
        let _ = write_section(&mut text, &section);
    }
    text
}

fn write_section(text: &mut String, section: &Section) -> std::fmt::Result {
    match (&*section.path, section.is_repeated) {
        ("", _) => writeln!(text, "\n## Top level\n")?,
        (path, false) => writeln!(text, "\n## `[{path}]`\n")?,
        (path, true) => writeln!(text, "\n## `[[{path}]]`\n")?,
    }
    if !section.description.is_empty() {
        writeln!(text, "{}\n", section.description)?;
    }
    for key in &section.keys {
        write_key(text, key)?;
    }
    Ok(())
}

fn write_key(text: &mut String, key: &Key) -> std::fmt::Result {
    write!(text, "- **`{}`** ({}", key.name, key.kind)?;
    if key.is_required {
        write!(text, ", *required*")?;
    } else if let Some(default) = key.default.as_ref().filter(|_| !key.default_is_told()) {
        write!(text, ", default `{}`", inline(default))?;
    }
    writeln!(text, "): {}", key.description)?;
    for (value, meaning) in &key.choices {
        writeln!(text, "  - `{value}`: {meaning}")?;
    }
    Ok(())
}
