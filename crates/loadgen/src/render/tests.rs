//! What holds for every document, whatever it says: nothing in it is markup, and every output keeps
//! within its budget.

use comrak::nodes::NodeValue;
use comrak::{Arena, Options, parse_document};
use proptest::prelude::*;
use pushbench_wire::Transport;

use super::*;
use crate::analysis::{Estimate, analyse};
use crate::document::{
    Block, Code, Column, Content, Depth, Drawing, Entry, Figure, Fold, Item, List, Row, Section,
    Series, Shown, Table,
};
use crate::results::{LatencyLog, Metric, Outcome, Run, Trial, Warning, fixture};

/// Every kind of block, so often each, in which all text from outside is this.
fn document(outside: &str, often: usize) -> Document {
    let text = || outside.to_owned();
    let item = |mark, alarming| Item { mark, text: text(), alarming, ..Item::default() };
    let list = |what| List {
        what,
        items: (0..often).flat_map(|_| [item("✗", true), item("✓", false)]).collect(),
    };
    let shown = Shown {
        cell: text(),
        contender: text(),
        metric: Metric::LatencyP50,
        estimate: Estimate::of(&[1.0, 2.0, 3.0]).unwrap(),
    };
    let row = Row {
        name: text(),
        detail: text(),
        link: Some(text()),
        series: Some(Series::Contender(0)),
        alarming: true,
        entries: vec![
            Entry { figure: Some(Box::new(shown)), ..Entry::number("1.00 ms", Some(1e6)) }
                .with_detail(text()),
            Entry::text(text()).alarming(true),
            Entry::missing(),
        ],
    };
    let table = Table {
        note: text(),
        subject: "contender",
        columns: vec![
            Column::figures(text()),
            Column { series: Some(Series::Reference(1)), ..Column::text("what") },
            Column::figures("server CPU /delivery"),
        ],
        rows: vec![row; often],
        ..Table::default()
    };
    let drawing = Drawing {
        title: text(),
        subtitle: text(),
        legend: vec![(Series::Contender(0), text())],
        content: Content::Dots(Vec::new()),
    };
    let figure =
        Figure { name: text(), file: Some(text()), caption: text(), alternative: text(), drawing };
    let code = |is_command| Block::Code(Code { language: "sh", text: text(), is_command });
    let terms = List::terms([("Blocks", text())]);
    let part = |fold| {
        let blocks = vec![Block::Table(table.clone()), Block::Prose(text())];
        Section::new(Depth::Detail, text(), blocks).folded(fold)
    };
    Document {
        kind: "test",
        title: text(),
        headline: text(),
        blocks: vec![
            Block::Prose(text()),
            Block::List(list("findings")),
            Section::new(Depth::Essential, "Beware", vec![Block::Caveats(list("caveats"))]).into(),
            Section::new(
                Depth::Essential,
                text(),
                vec![
                    Block::Table(table.clone()),
                    Block::Figure(figure),
                    part(Fold::Open).into(),
                    part(Fold::Closed).into(),
                ],
            )
            .into(),
            Block::Each("cells", vec![part(Fold::Quiet); often]),
            Section::new(
                Depth::Detail,
                "Run it again",
                vec![code(true), code(false), Block::List(List::terms([("Kernel", text())]))],
            )
            .into(),
            Block::List(terms),
        ],
        files: ["report.html", "run.json"],
    }
}

/// What GitHub makes of Markdown: the names of its elements, and all its text.
fn as_github_reads_it(markdown: &str) -> (Vec<&'static str>, String) {
    let mut options = Options::default();
    options.extension.table = true;
    options.extension.autolink = true;
    options.extension.strikethrough = true;
    options.extension.tasklist = true;
    let arena = Arena::new();
    let (mut kinds, mut text) = (Vec::new(), String::new());
    for node in parse_document(&arena, markdown, &options).descendants() {
        match &node.data.borrow().value {
            NodeValue::Text(of) => text += of,
            NodeValue::Link(_) => kinds.push("link"),
            NodeValue::Image(_) => kinds.push("image"),
            NodeValue::HtmlInline(of) => kinds.push(match of.as_str() {
                "<br>" | "<sub>" | "</sub>" => "layout",
                _ => "html",
            }),
            NodeValue::HtmlBlock(of) => kinds.push(match of.literal.trim() {
                "</details>" => "layout",
                of if of.starts_with("<details><summary>")
                    && of.ends_with("</summary>")
                    && of.matches('<').count() == 3 =>
                {
                    "layout"
                }
                _ => "html",
            }),
            NodeValue::Heading(_) => kinds.push("heading"),
            NodeValue::Table(of) if of.num_columns == 4 => kinds.push("table"),
            NodeValue::Table(_) => kinds.push("odd table"),
            NodeValue::TableRow(_) => kinds.push("row"),
            NodeValue::CodeBlock(_) => kinds.push("code"),
            NodeValue::Item(_) => kinds.push("item"),
            NodeValue::ThematicBreak => kinds.push("rule"),
            NodeValue::Strong => kinds.push("strong"),
            NodeValue::Emph => kinds.push("emphasis"),
            NodeValue::Strikethrough => kinds.push("strikethrough"),
            _ => {}
        }
    }
    (kinds, text)
}

const OUTSIDE: &str = "</details><img src=x> |a| ![i](u) [l](v) <b>B</b> `c` https://evil.example \
                       www.evil.example @team *s*\n# heading\n- item\n```\n~~~\n<script>alert(1)</script>\"'&";

#[test]
fn markdown_shows_what_came_from_outside_as_it_is() {
    for comment in [false, true] {
        let render = |text| match comment {
            true => markdown::comment(&document(text, 2)),
            false => markdown(&document(text, 2)),
        };
        let (kinds, text) = as_github_reads_it(&render(OUTSIDE));
        let (known, _) = as_github_reads_it(&render("harmless"));
        assert_eq!(kinds, known, "the same elements as with harmless text");
        for kind in ["table", "row", "code", "link", "image", "heading", "layout"] {
            assert!(kinds.contains(&kind), "{kind} is missing");
        }
        assert!(!kinds.contains(&"html") && !kinds.contains(&"odd table"), "{kinds:?}");
        assert!(text.contains("![i](u) [l](v) <b>B</b>"), "it is shown as it is: {text}");
    }
}

#[test]
fn a_page_shows_what_came_from_outside_as_it_is() {
    let page =
        html(&document(OUTSIDE, 2), Some(&format!("{{\"a\": \"{}\"}}", "</script>"))).unwrap();
    for markup in ["<script>alert", "<img", "<b>", "src=x>"] {
        assert!(!page.contains(markup), "{markup}");
    }
    assert_eq!(page.matches("</script>").count(), 2, "the data and the code");
    // Nothing ends an attribute: between tags, quotes stand in pairs.
    let plain = html(&document("harmless", 2), None).unwrap();
    let tags = |page: &str| page.matches("</").count() + page.matches("/>").count();
    let with_data = html(&document(OUTSIDE, 2), None).unwrap();
    assert_eq!(tags(&with_data), tags(&plain));
    assert_eq!(with_data.matches('"').count(), plain.matches('"').count());
}

#[test]
fn a_page_stands_alone_and_has_every_way_to_read_it() {
    let page = html(&document("harmless", 2), Some("{}")).unwrap();
    for outside in ["http:", "https:", "src=", "@import", "url(", "<link", "//cdn"] {
        assert!(!page.contains(outside), "{outside} refers to something outside");
    }
    for text in [
        "<title>Test: harmless · pushbench</title>",
        "<h1>pushbench · test · harmless</h1>",
        "<p class=\"headline\">harmless</p>",
        "<section class=\"caveats\"",
        "<table class=\"compare sortable\">",
        "<th scope=\"row\">",
        "data-sort=\"1000000\" data-cell=\"harmless\" data-contender=\"harmless\" \
         data-metric=\"latency_p50\" data-estimate=\"2\" data-low=\"1\" data-high=\"3\"",
        "<span class=\"bar\" aria-hidden=\"true\"><span style=\"width:100.0%\">",
        "<tr class=\"s0 alarming\">",
        "<th scope=\"col\" class=\"text sr\">",
        "<details open><summary>",
        "<details><summary>",
        "role=\"img\" aria-label=\"harmless\"",
        "<svg ",
        "<dt>Blocks</dt>",
        "<span class=\"bad\">✗ harmless</span>",
        "id=\"copy\"",
        "prefers-color-scheme: dark",
        "@media print",
        "<script type=\"application/json\" id=\"data\">{}</script>",
    ] {
        assert!(page.contains(text), "{text} is missing in {page}");
    }
    let ids: Vec<_> = page.split(" id=\"").skip(1).map(|rest| rest.split('"').next()).collect();
    let unique: std::collections::HashSet<_> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
}

#[test]
fn every_output_keeps_within_its_budget_and_says_what_is_missing() {
    for (text, often) in [("<|`*_".repeat(2_000), 300), ("a".to_owned(), 3_000)] {
        let document = document(&text, often);
        let page = html(&document, Some(&"x".repeat(50_000))).unwrap();
        assert!(page.len() < 250_000, "{} bytes", page.len());
        assert!(page.contains(" more rows in run.json."), "{page}");
        for text in [markdown(&document), markdown::comment(&document)] {
            assert!(text.len() < 64 * 1024, "{} bytes", text.len());
            assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
            for what in ["rows", "findings", "caveats", "cells"] {
                assert!(text.contains(&format!(" more {what} in report.html")), "{what}: {text}");
            }
        }
    }
}

#[test]
fn a_page_without_room_for_its_data_says_where_it_is() {
    let page = html(&document("harmless", 1), Some(&"x".repeat(70_000))).unwrap();
    assert!(page.contains("too much data to be embedded here; it is in <code>run.json</code>"));
}

#[test]
fn no_line_is_wider_than_the_terminal_and_nothing_drives_it() {
    for text in ["short", OUTSIDE, "\u{1b}[2Jgone\nnext 日本語日本語日本語", &"x".repeat(3_000)]
    {
        for columns in [40, 80, 100, 160] {
            for verbose in [false, true] {
                let shown = Terminal { columns, colour: false, verbose };
                let plain = terminal(&document(text, 3), shown);
                assert!(!plain.contains('\u{1b}'), "{plain}");
                for line in plain.lines() {
                    let width = unicode_width::UnicodeWidthStr::width(line);
                    assert!(width <= columns, "{width} of {columns} columns: {line}");
                }
            }
        }
    }
    let shown = Terminal { columns: 80, colour: true, verbose: true };
    assert!(terminal(&document("short", 3), shown).contains("\u{1b}[31m"), "only its own colours");
}

#[test]
fn a_screen_shows_the_essential_and_verbose_all() {
    let of =
        |verbose| terminal(&document("said", 3), Terminal { columns: 80, colour: false, verbose });
    assert!(!of(false).contains("Run it again") && of(true).contains("Run it again"));
    assert!(of(false).contains("contender") && of(false).contains("✗ said"));
    let many = document("said", 30);
    let text = terminal(&many, Terminal { columns: 80, colour: false, verbose: false });
    assert!(text.contains("more caveats in report.html, or with --verbose"), "{text}");
}

#[test]
fn a_screen_has_no_heading_of_nothing() {
    let section = |heading: &str, blocks| Section::new(Depth::Essential, heading, blocks);
    let hidden = Block::section(Depth::Full, "hidden", vec![Block::Prose("detail".to_owned())]);
    let sections = vec![
        section("empty", vec![hidden]),
        section("full", vec![Block::Prose("said".to_owned())]),
    ];
    let document = Document { blocks: vec![Block::Each("parts", sections)], ..document("x", 1) };
    let text = terminal(&document, Terminal { columns: 80, colour: false, verbose: false });
    assert!(text.contains("full\n  said") && !text.contains("empty"), "{text}");
}

/// The fixture's run with a fifth contender, all trials valid, and a caveat of every kind.
fn five_contenders() -> Run {
    let (mut run, _) = fixture::run();
    let sse: Vec<_> =
        run.trials.iter().filter(|of| of.contender == Transport::Sse).cloned().collect();
    let values = sse[0].values.clone();
    let tcp = sse.into_iter().map(|trial| Trial { contender: Transport::Tcp.into(), ..trial });
    run.trials.extend(tcp);
    for (index, trial) in run.trials.iter_mut().enumerate() {
        trial.outcome = Outcome::Valid;
        let noise = 1.0 + 0.01 * index as f64;
        trial.values = values.iter().map(|(metric, value)| (*metric, value * noise)).collect();
        let lost = if index == 3 { 12.0 } else { 0.0 };
        trial.values.extend([(Metric::Lost, lost), (Metric::Expected, 24_000.0)]);
        trial.values.insert(Metric::Delivered, 24_000.0 - lost);
        trial.warnings = match index {
            0 => vec![Warning::PublisherLate { p99_ms: 1.3 }],
            1 => vec![Warning::SharedCore],
            2 => vec![Warning::Reconnected { count: 3, reason: "reset by peer".to_owned() }],
            _ => Vec::new(),
        };
    }
    run.trials[4].outcome = Outcome::Invalid;
    run.trials[4].warnings.push(Warning::CpuStolen { percent: 12.0 });
    run
}

#[test]
fn the_end_of_a_run_fits_a_screen() {
    let run = five_contenders();
    let document = crate::document::run(&run, &analyse(&run, &LatencyLog::default()));
    for columns in [80, 100, 160] {
        let text = terminal(&document, Terminal { columns, colour: false, verbose: false });
        // One more says what was written, and two are for prompts.
        assert!(text.lines().count() <= 21, "{} lines:\n{text}", text.lines().count());
        assert!(text.replace('\n', " ").contains("(p50, about the same)"), "{text}");
        for label in ["Polling", "Long polling", "SSE", "WebSocket", "Raw TCP"] {
            assert!(text.lines().any(|line| line.starts_with(label)), "{label}: {text}");
        }
        assert!(text.contains("  ! ") && text.contains("47,988 of"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= columns), "{text}");
    }
}

#[test]
fn any_punctuation_from_outside_is_text() {
    let (known, _) = as_github_reads_it(&markdown(&document("harmless", 1)));
    for mark in ('!'..='~').filter(char::is_ascii_punctuation) {
        for outside in
            [mark.to_string(), format!("{mark}{mark}"), format!("{mark}a"), format!("a{mark}")]
        {
            let (kinds, _) = as_github_reads_it(&markdown(&document(&outside, 1)));
            assert_eq!(kinds, known, "{outside}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_text_from_outside_is_text(
        outside in r"([ -~]{1,6}|https?://a\.b|www\.a\.b|a@b\.cd|<[a-z/!?-]{1,4}>?|[*_`~]{1,4}|[0-9]{1,3}[.)] |[-+=]{1,4}|\PC){1,8}",
    ) {
        // What says nothing has no element.
        prop_assume!(!outside.trim().is_empty());
        let (kinds, _) = as_github_reads_it(&markdown(&document(&outside, 1)));
        let (known, _) = as_github_reads_it(&markdown(&document("harmless", 1)));
        prop_assert_eq!(kinds, known, "{}", outside);
    }
}
