//! HTML whose texts are always escaped.

use std::fmt::Write;

/// A document that grows. Tags and classes are ours; texts may be anybody's.
pub(super) struct Html(String);

/// A cell of a table.
pub(super) struct Cell {
    text: String,
    class: &'static str,
    below: String,
}

impl Cell {
    pub(super) fn with(text: &str, class: &'static str) -> Self {
        let text = text.to_owned();
        let below = String::new();
        Self { text, class, below }
    }

    pub(super) fn plain(text: &str) -> Self {
        Self::with(text, "")
    }

    pub(super) fn number(number: &impl ToString) -> Self {
        Self::with(&number.to_string(), "number")
    }

    /// A smaller text below; none where it is empty.
    pub(super) fn below(mut self, text: &str) -> Self {
        text.clone_into(&mut self.below);
        self
    }
}

impl Html {
    pub(super) fn begin(title: &str) -> Self {
        let mut page = Self(String::with_capacity(16 * 1024));
        page.0.push_str(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <link rel=\"icon\" href=\"data:,\">\n\
             <link rel=\"stylesheet\" href=\"/style.css\">\n",
        );
        page.element("title", "", title);
        page.0.push_str("</head>\n<body>\n");
        page
    }

    pub(super) fn finish(mut self) -> String {
        self.0.push_str("</body>\n</html>\n");
        self.0
    }

    pub(super) fn open(&mut self, tag: &str, class: &str) {
        // Writing to a string cannot fail, here and below.
        let _ = match class {
            "" => write!(self.0, "<{tag}>"),
            class => write!(self.0, "<{tag} class=\"{class}\">"),
        };
    }

    pub(super) fn close(&mut self, tag: &str) {
        let _ = writeln!(self.0, "</{tag}>");
    }

    /// A text, with whatever means something in HTML as what it is.
    pub(super) fn text(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                other => self.0.push(other),
            }
        }
    }

    pub(super) fn element(&mut self, tag: &str, class: &str, text: &str) {
        self.open(tag, class);
        self.text(text);
        self.close(tag);
    }

    /// A link to a path of ours.
    pub(super) fn link(&mut self, path: &str, text: &str) {
        let _ = write!(self.0, "<a href=\"{path}\">");
        self.text(text);
        self.0.push_str("</a>\n");
    }

    pub(super) fn section(&mut self, title: &str, fill: impl FnOnce(&mut Self)) {
        self.open("section", "");
        self.element("h2", "", title);
        fill(self);
        self.close("section");
    }

    /// A name and a value of a list.
    pub(super) fn pair(&mut self, name: &str, value: &str) {
        self.open("div", "");
        self.element("dt", "", name);
        self.element("dd", "", value);
        self.close("div");
    }
}

/// A table with a heading for each column; the first column has names, numbers stand right.
pub(super) fn table(
    page: &mut Html,
    headings: &[(&str, &str)],
    rows: impl Iterator<Item = Vec<Cell>>,
) {
    page.open("table", "");
    page.open("thead", "");
    page.open("tr", "");
    for (heading, class) in headings {
        let _ = write!(page.0, "<th scope=\"col\" class=\"{class}\">");
        page.text(heading);
        page.0.push_str("</th>");
    }
    page.close("tr");
    page.close("thead");
    page.open("tbody", "");
    for row in rows {
        page.open("tr", "");
        for cell in row {
            page.open("td", if cell.class == "number" { "number" } else { "" });
            if matches!(cell.class, "" | "number") {
                page.text(&cell.text);
            } else {
                page.element("span", cell.class, &cell.text);
            }
            if !cell.below.is_empty() {
                page.element("small", "", &cell.below);
            }
            page.close("td");
        }
        page.close("tr");
    }
    page.close("tbody");
    page.close("table");
}
