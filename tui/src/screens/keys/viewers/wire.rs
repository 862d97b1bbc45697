//! [`Message`]: the fields of a protobuf message, by number, without knowing what they mean.

use super::LINES_MAX;

/// A field.
pub(super) struct Field<'a> {
    pub number: u64,
    pub value: Wire<'a>,
    /// There were to be more bytes of it.
    pub cut: bool,
}

/// What it holds.
#[derive(Clone, Copy)]
pub(super) enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// How far a message was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// To its end.
    Whole,
    /// As far as there was room for its fields.
    Many,
    /// Up to bytes that are no field.
    Damaged,
}

/// The fields of a message, in the order in which they stand in it; at most [`LINES_MAX`].
pub(super) struct Message<'a> {
    pub fields: Vec<Field<'a>>,
    pub end: End,
}

impl<'a> Message<'a> {
    /// Reads as much of a message as there is.
    pub(super) fn read(mut bytes: &'a [u8]) -> Self {
        let mut fields = Vec::new();
        let end = loop {
            if bytes.is_empty() {
                break End::Whole;
            }
            if fields.len() >= LINES_MAX {
                break End::Many;
            }
            let Some(field) = field(&mut bytes) else { break End::Damaged };
            let cut = field.cut;
            fields.push(field);
            if cut {
                break End::Damaged;
            }
        };
        Self { fields, end }
    }

    /// Reads a message; `None` when these bytes are none.
    pub(super) fn whole(bytes: &'a [u8]) -> Option<Self> {
        Some(Self::read(bytes)).filter(|message| message.end != End::Damaged)
    }

    /// What a field holds; the last one counts.
    pub(super) fn last(&self, number: u64) -> Option<Wire<'a>> {
        self.fields.iter().rfind(|field| field.number == number).map(|field| field.value)
    }

    /// The bytes that a field holds.
    pub(super) fn bytes(&self, number: u64) -> Option<&'a [u8]> {
        match self.last(number) {
            Some(Wire::Bytes(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// The number that a field holds.
    pub(super) fn number(&self, number: u64) -> Option<i64> {
        match self.last(number) {
            Some(Wire::Number(value)) => Some(value.cast_signed()),
            _ => None,
        }
    }
}

fn field<'a>(bytes: &mut &'a [u8]) -> Option<Field<'a>> {
    let tag = varint(bytes)?;
    let number = tag >> 3;
    if number == 0 || number > 536_870_911 {
        return None;
    }
    let mut cut = false;
    let value = match tag & 7 {
        0 => Wire::Number(varint(bytes)?),
        1 => Wire::Number(u64::from_le_bytes(take(bytes, 8)?.try_into().ok()?)),
        2 => {
            let length = usize::try_from(varint(bytes)?).ok()?;
            cut = length > bytes.len();
            Wire::Bytes(take(bytes, length.min(bytes.len()))?)
        }
        5 => Wire::Number(u32::from_le_bytes(take(bytes, 4)?.try_into().ok()?).into()),
        _ => return None,
    };
    Some(Field { number, value, cut })
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *take(bytes, 1)?.first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (head, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(head)
}
