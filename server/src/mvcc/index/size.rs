//! The size of a version in one byte, rounded up.

/// Bytes of one unit.
const UNIT: usize = 8;
/// Steps between two powers of two.
const STEPS: usize = 16;
/// First of the classes that are equally far apart, its bytes, and how far: the last is beyond any request.
const LARGE: (usize, usize, usize) = (240, 2 << 20, 560 << 10);

/// The size of an encoded version: exact to 8 bytes up to 128 of them, above that too large by less than a
/// sixteenth, and from 2 MiB on by less than 560 KiB.
///
/// It is a function of the version alone, so that all members, also after a restart, come to the same sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size(u8);

impl Size {
    /// The size of a version of so many bytes; the largest there is when that is not enough (10.2 MiB,
    /// beyond any request).
    pub(crate) fn of(bytes: usize) -> Self {
        let (class, from, step) = LARGE;
        if bytes > from {
            let class = class + (bytes - from).div_ceil(step);
            return Self(u8::try_from(class).unwrap_or(u8::MAX));
        }
        let units = bytes.div_ceil(UNIT);
        if units < STEPS {
            return Self(u8::try_from(units).unwrap_or(u8::MAX));
        }
        let shift = units.ilog2() - STEPS.ilog2();
        // 16 to 32; 32 is the first step of the next power.
        let step = units.div_ceil(1 << shift);
        let class = (shift as usize * STEPS).saturating_add(step);
        Self(u8::try_from(class).unwrap_or(u8::MAX))
    }

    /// Bytes that the version has at most.
    pub(crate) fn bytes(self) -> usize {
        let class = usize::from(self.0);
        let (large, from, step) = LARGE;
        if class >= large {
            return from + (class - large) * step;
        }
        if class < STEPS {
            return class * UNIT;
        }
        let (shift, step) = (class / STEPS - 1, STEPS + class % STEPS);
        (step << shift) * UNIT
    }

    /// As the byte that a stamp keeps.
    pub(super) fn pack(self) -> u64 {
        self.0.into()
    }

    /// From the lowest byte of a word.
    pub(super) fn unpack(word: u64) -> Self {
        let [low, ..] = word.to_le_bytes();
        Self(low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::REQUEST_BYTES_CEILING;

    #[test]
    fn a_size_is_never_too_small_and_too_large_by_less_than_a_sixteenth() {
        let mut last = 0;
        for bytes in (0..5000).chain((5000..=REQUEST_BYTES_CEILING + 4096).step_by(97)) {
            let shown = Size::of(bytes).bytes();
            assert!(shown >= bytes && shown >= last, "{bytes} shown as {shown}");
            let near = shown < bytes + UNIT || (shown - bytes) * 16 < bytes;
            assert!(near || bytes > LARGE.1 && shown < bytes + LARGE.2, "{bytes} as {shown}");
            assert_eq!(Size::unpack(Size::of(bytes).pack()), Size::of(bytes));
            last = shown;
        }
        assert!(Size::of(usize::MAX).bytes() > REQUEST_BYTES_CEILING + 4096);
    }
}
