//! The report as JUnit XML: one testcase for each test, its commands under system-out.

use std::fmt::Write;
use std::io;
use std::time::Duration;

use mini_etcd_shared::text::printable;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::report::{FileReport, Step, TestReport, Totals, Verdict};
use super::tap;

/// The whole document.
pub(super) fn document(files: &[FileReport]) -> io::Result<Vec<u8>> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let totals = Totals::of(files);
    let elapsed = seconds(files.iter().map(|file| file.elapsed).sum());
    writer
        .create_element("testsuites")
        .with_attribute((
            "tests",
            (totals.passed + totals.failed + totals.skipped).to_string().as_str(),
        ))
        .with_attribute(("failures", totals.failed.to_string().as_str()))
        .with_attribute(("skipped", totals.skipped.to_string().as_str()))
        .with_attribute(("time", elapsed.as_str()))
        .write_inner_content(|writer| files.iter().try_for_each(|file| suite(writer, file)))?;
    let mut document = writer.into_inner();
    document.push(b'\n');
    Ok(document)
}

fn suite(writer: &mut Writer<Vec<u8>>, file: &FileReport) -> io::Result<()> {
    let totals = Totals::of(std::slice::from_ref(file));
    // What failed outside of the tests has no testcase: it is an error of the suite.
    let errors = usize::from(file.teardown.is_some());
    writer
        .create_element("testsuite")
        .with_attribute(("name", clean(&file.file).as_str()))
        .with_attribute(("tests", file.tests.len().to_string().as_str()))
        .with_attribute(("failures", totals.failed.to_string().as_str()))
        .with_attribute(("errors", errors.to_string().as_str()))
        .with_attribute(("skipped", totals.skipped.to_string().as_str()))
        .with_attribute(("time", seconds(file.elapsed).as_str()))
        .write_inner_content(|writer| {
            file.tests.iter().try_for_each(|test| case(writer, file, test))?;
            if !file.outside.is_empty() {
                text(writer, "system-out", &log(&file.outside))?;
            }
            match &file.teardown {
                Some(failure) => text(writer, "system-err", &tap::yaml(failure)),
                None => Ok(()),
            }
        })?;
    Ok(())
}

fn case(writer: &mut Writer<Vec<u8>>, file: &FileReport, test: &TestReport) -> io::Result<()> {
    writer
        .create_element("testcase")
        .with_attribute(("name", clean(&test.name).as_str()))
        .with_attribute(("classname", clean(&file.file).as_str()))
        .with_attribute(("time", seconds(test.elapsed).as_str()))
        .write_inner_content(|writer| {
            match &test.verdict {
                Verdict::Passed => {}
                Verdict::Skipped(why) => {
                    writer
                        .create_element("skipped")
                        .with_attribute(("message", *why))
                        .write_empty()?;
                }
                Verdict::Failed(failure) => {
                    let message = format!("expected {}, got {}", failure.expected, failure.got);
                    writer
                        .create_element("failure")
                        .with_attribute(("message", clean(&message).as_str()))
                        .write_text_content(BytesText::new(&clean(&tap::yaml(failure))))?;
                }
            }
            if test.steps.is_empty() {
                Ok(())
            } else {
                text(writer, "system-out", &log(&test.steps))
            }
        })?;
    Ok(())
}

fn text(writer: &mut Writer<Vec<u8>>, name: &str, content: &str) -> io::Result<()> {
    writer.create_element(name).write_text_content(BytesText::new(&clean(content)))?;
    Ok(())
}

fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

/// Each command with what it printed.
fn log(steps: &[Step]) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    for step in steps {
        out.push_str("> ");
        out.push_str(&step.command);
        out.push('\n');
        for part in [&step.out, &step.err] {
            for line in part.split_inclusive(|byte| *byte == b'\n') {
                out.push_str(&printable(line.strip_suffix(b"\n").unwrap_or(line)));
                out.push('\n');
            }
        }
        if step.dropped > 0 {
            let _ = writeln!(out, "({} more bytes are not shown)", step.dropped);
        }
        if let Some(error) = &step.error {
            let _ = writeln!(out, "error: {error}");
        }
    }
    out
}

/// Text without the characters that XML 1.0 has no form for.
fn clean(text: &str) -> String {
    let allowed = |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().filter(allowed).collect()
}
