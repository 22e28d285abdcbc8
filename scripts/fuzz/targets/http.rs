//! The HTTP edge of the server: any bytes on a new connection, in two pieces.

#![no_main]

mod edge;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [cut, input @ ..] = data else { return };
    let (head, tail) = input.split_at(usize::from(*cut).min(input.len()));
    let answer = edge::exchange(&[head, tail]);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "{answer:?}");
    assert!(!answer.starts_with(b"HTTP/1.1 500"), "{answer:?}");
});
