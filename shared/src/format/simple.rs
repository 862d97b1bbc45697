//! [`Page`]: the format for people.

use mini_etcd_proto::mvccpb::KeyValue;

use super::{Format, Rendered, Style};
use crate::text::Escaped;

/// Takes the lines of an answer.
#[derive(Debug)]
pub struct Page<'a> {
    pub(super) rendered: Rendered,
    hex: bool,
    /// The format that was asked for; an answer may have this one in its place.
    pub asked: Format,
    /// The name that help shows.
    pub program: &'a str,
}

impl<'a> Page<'a> {
    pub(super) fn new(style: Style, program: &'a str) -> Self {
        let Style { format: asked, hex } = style;
        Self { rendered: Rendered::default(), hex, asked, program }
    }

    /// Writes a line.
    pub fn line(&mut self, text: &str) {
        self.write(text.as_bytes());
        self.write(b"\n");
    }

    /// Writes a line to standard error.
    pub fn error_line(&mut self, text: &str) {
        self.rendered.err.extend_from_slice(text.as_bytes());
        self.rendered.err.push(b'\n');
    }

    /// Writes text as it stands.
    pub fn write(&mut self, bytes: &[u8]) {
        self.rendered.out.extend_from_slice(bytes);
    }

    /// Writes a key and its value, each on its line.
    pub fn pair(&mut self, kv: &KeyValue) {
        self.bytes(&kv.key);
        self.bytes(&kv.value);
    }

    /// Writes a key or a value on its line.
    pub fn bytes(&mut self, bytes: &[u8]) {
        if self.hex {
            self.line(&Escaped(bytes).to_string());
        } else {
            self.write(bytes);
            self.write(b"\n");
        }
    }
}
