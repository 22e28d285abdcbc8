//! Values of keys that the file leaves out.

use toml::Spanned;

pub(super) fn one() -> Spanned<i64> {
    unwritten(1)
}

pub(super) fn not() -> Spanned<bool> {
    unwritten(false)
}

/// A value that stands nowhere in the file. It never needs a line: every default is right alone.
pub(super) fn unwritten<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}
