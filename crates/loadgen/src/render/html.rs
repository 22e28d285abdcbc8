//! A document as one offline page that needs nothing but itself. All text is escaped here.

use std::collections::HashSet;

use super::budget::{Budget, Output, Walk};
use super::markup::{escaped, unbroken};
use super::{charts, palette};
use crate::document::prose::capitalised;
use crate::document::{
    Block, Code, Column, Depth, Document, Entry, Figure, Fold, Item, Row, Section, Table,
};

const STYLE: &str = include_str!("../../assets/page.css");
const SCRIPT: &str = include_str!("../../assets/page.js");

/// The most bytes of data that a page carries along: who has more reads the file.
const DATA: usize = 60_000;

/// A table with more columns is set in small type.
const MANY: usize = 10;

/// The page's text. `data` is JSON that scripts find in it, if it is not too much.
///
/// # Errors
/// A figure that cannot be drawn.
pub(super) fn page(document: &Document, data: Option<&str>) -> anyhow::Result<String> {
    let figures = document.figures();
    let pictures = figures.iter().map(|figure| charts::svg(&figure.drawing));
    let pictures = pictures.collect::<anyhow::Result<Vec<_>>>()?;
    let data = match data {
        Some(data) if data.len() <= DATA => {
            // It cannot end the script element that it stands in.
            let data = data.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
            format!("<script type=\"application/json\" id=\"data\">{data}</script>\n")
        }
        Some(_) => format!(
            "<p class=\"soft\">There is too much data to be embedded here; it is in <code>{}</code>.</p>\n",
            escaped(document.files[1])
        ),
        None => String::new(),
    };
    let title = escaped(&Budget::PAGE.field(&document.heading()));
    let classes = palette::css();
    Ok(Budget::PAGE.fit(str::len, |budget| {
        let body = body(document, budget, &pictures);
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title} · pushbench</title>\n\
             <style>\n{STYLE}{classes}</style>\n\
             </head>\n<body>\n{body}{data}<script>\n{SCRIPT}</script>\n</body>\n</html>\n"
        )
    }))
}

fn body(document: &Document, budget: Budget, pictures: &[String]) -> String {
    let opens = |block: &Block| match block {
        Block::Prose(_) | Block::List(_) => true,
        Block::Section(section) => section.fold == Fold::Open && section.heading.is_empty(),
        _ => false,
    };
    let lead = document.blocks.iter().position(|block| !opens(block));
    let (lead, rest) = document.blocks.split_at(lead.unwrap_or(document.blocks.len()));
    let name = ["pushbench", document.kind, &document.title];
    let name: Vec<_> = name.into_iter().filter(|part| !part.is_empty()).collect();
    let ids = HashSet::new();
    let mut page = Page { budget, pictures, ids, text: String::new(), headings: Vec::new() };
    page.text += &format!("<header>\n<h1>{}</h1>\n", page.field(&name.join(" · ")));
    if !document.headline.is_empty() {
        let headline = unbroken(&page.paragraph(&document.headline));
        page.text += &format!("<p class=\"headline\">{headline}</p>\n");
    }
    let mut walk = Walk::new(page, document, 1);
    walk.blocks(lead, Depth::Essential);
    walk.output.text += "</header>\n<main>\n";
    walk.blocks(rest, Depth::Essential);
    walk.output.text + "</main>\n"
}

struct Page<'a> {
    budget: Budget,
    /// Of every figure.
    pictures: &'a [String],
    /// Those that are taken.
    ids: HashSet<String>,
    text: String,
    /// Those of the sections around.
    headings: Vec<String>,
}

impl Page<'_> {
    fn field(&self, text: &str) -> String {
        escaped(&self.budget.field(text))
    }

    fn paragraph(&self, text: &str) -> String {
        escaped(&self.budget.paragraph(text))
    }

    /// An identifier made of a heading.
    fn id(&mut self, heading: &str) -> String {
        let plain = |char: char| if char.is_ascii_alphanumeric() { char } else { '-' };
        let slug: String = heading.to_lowercase().chars().take(60).map(plain).collect();
        let mut id = slug.clone();
        let mut number = 2;
        while !self.ids.insert(id.clone()) {
            id = format!("{slug}-{number}");
            number += 1;
        }
        id
    }

    fn row(&self, row: &Row, columns: &[Column], greatest: &[f64]) -> String {
        let series = row.series.map(|series| palette::look(series).class);
        let class = class_of([series, row.alarming.then_some("alarming")]);
        let name = self.linked(&row.name, &row.link);
        let detail = self.detail(&row.detail);
        let mut text = format!(
            "<tr{class}><th scope=\"row\"><span class=\"value\">{name}</span>{detail}</th>"
        );
        for ((entry, column), greatest) in row.entries.iter().zip(columns).zip(greatest) {
            let bar = entry.figure.as_ref().filter(|_| series.is_some() && *greatest > 0.0);
            let bar = bar.map_or_else(String::new, |shown| {
                let percent = (100.0 * shown.estimate.median / greatest).clamp(0.0, 100.0);
                format!(
                    "<span class=\"bar\" aria-hidden=\"true\"><span style=\"width:{percent:.1}%\"></span></span>"
                )
            });
            text += &format!(
                "<td{} data-sort=\"{}\"{}><span class=\"value{}\">{}</span>{bar}{}</td>",
                class_of([column.is_text.then_some("text")]),
                self.field(&entry.sort),
                self.data(entry),
                if entry.alarming { " bad" } else { "" },
                self.linked(&entry.text, &entry.link),
                self.detail(&entry.detail)
            );
        }
        text + "</tr>\n"
    }

    /// A field that leads to a file beside the page, if it does.
    fn linked(&self, text: &str, link: &Option<String>) -> String {
        let text = self.field(text);
        match self.budget.link(link) {
            Some(link) => format!("<a href=\"{}\">{text}</a>", escaped(link)),
            None => text,
        }
    }

    /// The attributes of an estimate, for those who check it.
    fn data(&self, entry: &Entry) -> String {
        let Some(shown) = &entry.figure else { return String::new() };
        let ends = shown.estimate.interval.map(|interval| {
            format!(" data-low=\"{}\" data-high=\"{}\"", interval.low, interval.high)
        });
        format!(
            " data-cell=\"{}\" data-contender=\"{}\" data-metric=\"{}\" data-estimate=\"{}\"{}",
            self.field(&shown.cell),
            self.field(&shown.contender),
            shown.metric.name(),
            shown.estimate.median,
            ends.unwrap_or_default()
        )
    }

    fn detail(&self, detail: &str) -> String {
        match detail {
            "" => String::new(),
            detail => format!("<small>{}</small>", self.field(detail)),
        }
    }
}

impl Output for Page<'_> {
    fn budget(&self) -> Budget {
        self.budget
    }

    fn text(&self) -> &str {
        &self.text
    }

    fn prose(&mut self, text: &str) {
        self.text += &format!("<p>{}</p>\n", unbroken(&self.paragraph(text)));
    }

    fn list(&mut self, items: &[Item], left_out: Option<String>, _: bool) {
        let has = |part: fn(&Item) -> &str| items.iter().any(|item| !part(item).is_empty());
        let (open, close) = match () {
            () if has(|item| item.term) => ("<dl>", "</dl>"),
            () if has(|item| item.mark) => ("<ul class=\"marked\">", "</ul>"),
            () => ("<ul>", "</ul>"),
        };
        self.text += &format!("{open}\n");
        for item in items {
            let text = unbroken(&self.paragraph(&item.text));
            let text = format!("{} {text}", item.mark);
            let text = text.trim_start();
            self.text += &match item.term {
                "" if item.alarming => format!("<li><span class=\"bad\">{text}</span></li>\n"),
                "" => format!("<li>{text}</li>\n"),
                term => format!("<dt>{term}</dt>\n<dd>{text}</dd>\n"),
            };
        }
        self.text += &left_out.map_or_else(String::new, |text| format!("<li>{text}.</li>\n"));
        self.text += &format!("{close}\n");
    }

    fn table(&mut self, table: &Table, rows: usize) {
        let about = self.headings.iter().rfind(|heading| !heading.is_empty());
        let about = self.field(about.map_or(table.subject, |heading| heading));
        let kind = if table.columns.len() > MANY { "dense" } else { "compare" };
        let mut text = format!(
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table: {about}\">\n\
             <table class=\"{kind} sortable\">\n"
        );
        if !table.note.is_empty() {
            text += &format!("<caption>{}</caption>\n", self.paragraph(&table.note));
        }
        text += &format!("<thead><tr><th scope=\"col\">{}</th>", capitalised(table.subject));
        for column in &table.columns {
            let series = column.series.map(|series| palette::look(series).class);
            let class = class_of([column.is_text.then_some("text"), series]);
            text += &format!("<th scope=\"col\"{class}>{}</th>", self.field(&column.heading));
        }
        text += "</tr></thead>\n<tbody>\n";
        let greatest = greatest(table);
        for row in &table.rows[..rows] {
            text += &self.row(row, &table.columns, &greatest);
        }
        self.text += &text;
        self.text += "</tbody>\n</table>\n</div>\n";
    }

    fn figure(&mut self, figure: &Figure, number: usize, has_room: bool) {
        let Some(picture) = self.pictures.get(number).filter(|_| has_room) else { return };
        let id = self.id(&figure.name);
        self.text += &format!(
            "<figure id=\"{id}\">\n<h3>{}</h3>\n\
             <div class=\"scroll\" role=\"img\" aria-label=\"{}\">\n{picture}</div>\n\
             <figcaption>{}</figcaption>\n</figure>\n",
            self.field(&figure.drawing.title),
            self.paragraph(&figure.alternative),
            self.paragraph(&figure.caption)
        );
    }

    fn code(&mut self, code: &Code) {
        let text = escaped(&self.budget.code(&code.text));
        self.text += &match code.is_command {
            true => format!(
                "<div class=\"command\"><pre id=\"command\"><code>{text}</code></pre>\
                 <button type=\"button\" id=\"copy\" hidden>Copy</button></div>\n"
            ),
            false => format!("<pre tabindex=\"0\"><code>{text}</code></pre>\n"),
        };
    }

    fn begin(&mut self, section: &Section, _: bool) {
        let heading = self.field(&section.heading);
        let level = (2 + self.headings.len()).min(4);
        let is_box = matches!(section.blocks[..], [Block::Caveats(_)]);
        let class = if is_box { " class=\"caveats\"" } else { "" };
        let opening = match section.fold {
            Fold::Open if heading.is_empty() => String::new(),
            Fold::Open => {
                let id = self.id(&section.heading);
                let heading = format!("<h{level} id=\"{id}\">{heading}</h{level}>\n");
                format!("<section{class} aria-labelledby=\"{id}\">\n{heading}")
            }
            Fold::Quiet => format!("<details open><summary>{heading}</summary>\n"),
            Fold::Closed => format!("<details><summary>{heading}</summary>\n"),
        };
        self.text += &opening;
        self.headings.push(section.heading.clone());
    }

    fn end(&mut self, section: &Section) {
        self.headings.pop();
        self.text += match section.fold {
            Fold::Open if section.heading.is_empty() => "",
            Fold::Open => "</section>\n",
            Fold::Quiet | Fold::Closed => "</details>\n",
        };
    }

    fn left_out(&mut self, text: &str) {
        self.text += &format!("<p class=\"soft\">{text}.</p>\n");
    }
}

/// The greatest figure of each column: its bar is the longest.
fn greatest(table: &Table) -> Vec<f64> {
    let of_column = |column: usize| {
        let entries = table.rows.iter().filter_map(|row| row.entries.get(column)?.figure.as_ref());
        entries.map(|shown| shown.estimate.median).fold(0.0, f64::max)
    };
    (0..table.columns.len()).map(of_column).collect()
}

fn class_of<const N: usize>(classes: [Option<&str>; N]) -> String {
    let classes: Vec<_> = classes.into_iter().flatten().collect();
    if classes.is_empty() { String::new() } else { format!(" class=\"{}\"", classes.join(" ")) }
}
