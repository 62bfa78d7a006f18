//! `config/reference.toml`: every key as a comment with its default.

use std::fmt::Write;

use super::{Key, Section, inline, sections};

const WIDTH: usize = 78;
const HEAD: &str = "\
# Every key of Vestibule's configuration. Keys that are commented out show their
# default, or an example where there is none (then it says so).
#
# Generated from the doc comments in src/config by
# `vestibule config reference --toml`.
";

/// The reference as a configuration file, which loads as it stands.
pub fn reference_toml() -> String {
    let mut text = HEAD.to_owned();
    for section in sections() {
        // Writing to a string cannot fail.
        let _ = write_section(&mut text, &section);
    }
    text
}

fn write_section(text: &mut String, section: &Section) -> std::fmt::Result {
    // A header that would ask for keys stays a comment with them.
    let is_comment = section.is_repeated || section.has_required || has_no_default(section);
    let mark = if is_comment { "#" } else { "" };
    if !section.path.is_empty() {
        writeln!(text)?;
        write_comment(text, &section.description)?;
        if section.is_repeated {
            writeln!(text, "{mark}[[{}]]", section.path)?;
        } else {
            writeln!(text, "{mark}[{}]", section.path)?;
        }
    }
    let is_sites = |key: &&Key| section.path.is_empty() && key.name == "sites";
    for key in section.keys.iter().filter(|key| !is_sites(key)) {
        writeln!(text)?;
        write_key(text, key, section.path.is_empty())?;
    }
    Ok(())
}

fn has_no_default(section: &Section) -> bool {
    section.keys.iter().all(|key| key.default.is_none())
}

fn write_key(text: &mut String, key: &Key, is_top_level: bool) -> std::fmt::Result {
    let mut comment = key.description.clone();
    for (value, meaning) in &key.choices {
        write!(comment, "\n\n  {value}: {meaning}")?;
    }
    let default = key.default.as_ref();
    let (note, value) = match (&key.example, default) {
        (example, _) if key.is_required => ("Required.", example.as_ref()),
        (Some(example), _) if default.is_none() || key.default_is_told() => {
            ("An example:", Some(example))
        }
        _ => ("", default),
    };
    write_comment(text, &comment)?;
    if !note.is_empty() {
        writeln!(text, "# {note}")?;
    }
    let mark = if key.is_required && is_top_level {
        ""
    } else {
        "#"
    };
    match value {
        Some(value) => writeln!(text, "{mark}{} = {}", key.name, inline(value)),
        None => writeln!(text, "#{} = …", key.name),
    }
}

/// Paragraphs as comments; one that begins with spaces is set in.
fn write_comment(text: &mut String, comment: &str) -> std::fmt::Result {
    let paragraphs = comment.split("\n\n");
    for paragraph in paragraphs.filter(|paragraph| !paragraph.is_empty()) {
        let mark = if paragraph.starts_with(' ') {
            "#  "
        } else {
            "#"
        };
        let mut line = String::from(mark);
        for word in paragraph.split_whitespace() {
            if line.len() + word.len() >= WIDTH {
                writeln!(text, "{line}")?;
                line.clear();
                line.push_str(mark);
            }
            line.push(' ');
            line.push_str(word);
        }
        writeln!(text, "{line}")?;
    }
    Ok(())
}
