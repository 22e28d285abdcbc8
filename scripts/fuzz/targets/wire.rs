//! Every decoder of `pushbench_wire`: whatever arrives, in whatever pieces, it is read without a panic,
//! and what was read reads back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pushbench_wire::endpoint::{Resource, is_channel_name, parse_path};
use pushbench_wire::event::is_event_name;
use pushbench_wire::{Event, Stamp, Transport, deflate, frame, gzip, message, poll, sse};

const LIMIT: usize = 1_000;

/// Id, name, payload and whether it is binary.
type Owned = (u64, String, Vec<u8>, bool);

fn owned(event: Event<'_>) -> Owned {
    (event.id, event.name.to_owned(), event.payload.to_owned(), event.binary)
}

fn borrowed((id, name, payload, binary): &Owned) -> Event<'_> {
    Event { id: *id, name, payload, binary: *binary }
}

// The first byte chooses the decoder, the second where the stream is cut.
fuzz_target!(|data: &[u8]| {
    let [which, cut, input @ ..] = data else { return };
    let (head, tail) = input.split_at(usize::from(*cut).min(input.len()));
    match which % 8 {
        0 => sse_stream(input, [head, tail]),
        1 => one_message(input, cut % 2 == 0),
        2 => frames(input, [head, tail]),
        3 => poll_body(input),
        4 => stamp(input),
        5 => names(input),
        6 => piece(input),
        _ => gzip_body(input, [head, tail]),
    }
});

fn sse_stream(whole: &[u8], pieces: [&[u8]; 2]) {
    let decode = |pieces: &[&[u8]]| {
        let (mut decoder, mut events) = (sse::Decoder::new(LIMIT), Vec::new());
        let result =
            pieces.iter().try_for_each(|piece| decoder.feed(piece, |e| events.push(owned(e))));
        (events, result.is_ok(), decoder.retry_ms())
    };
    assert_eq!(decode(&pieces), decode(&[whole]));
}

fn piece(input: &[u8]) {
    let (mut piece, mut again) = (Vec::new(), Vec::new());
    if deflate::inflate(input, LIMIT, &mut again).is_ok() {
        assert!(again.len() <= LIMIT);
    }
    deflate::deflate(input, &mut piece);
    assert_eq!(deflate::inflate(&piece, input.len(), &mut again), Ok(()));
    assert_eq!(again, input);
}

fn gzip_body(whole: &[u8], pieces: [&[u8]; 2]) {
    let decode = |pieces: &[&[u8]]| {
        let (mut decoder, mut content) = (gzip::Decoder::default(), Vec::new());
        let result = pieces.iter().try_for_each(|piece| {
            decoder.feed(piece, |part| {
                content.extend_from_slice(part);
                Ok::<_, gzip::DecodeError>(())
            })
        });
        (result.is_ok().then_some(content), decoder.is_complete())
    };
    // Of a body that is not there to its end, how much has been given out may depend on its pieces.
    let agree = |some: (Option<Vec<u8>>, bool), other: (Option<Vec<u8>>, bool)| match (some, other)
    {
        ((Some(some), false), (Some(other), false)) => {
            some.starts_with(&other) || other.starts_with(&some)
        }
        (some, other) => some == other,
    };
    assert!(agree(decode(&pieces), decode(&[whole])));
    // The fuzzer finds no head by itself.
    let body = [&gzip::HEAD[..], whole].concat();
    let cut = pieces[0].len();
    assert!(agree(decode(&[&body[..cut], &body[cut..]]), decode(&[&body])));
}

fn one_message(input: &[u8], binary: bool) {
    let Ok(event) = message::decode(input, binary) else { return };
    let mut again = Vec::new();
    message::encode(&event, &mut again);
    assert_eq!(message::decode(&again, binary), Ok(event));
}

fn frames(whole: &[u8], pieces: [&[u8]; 2]) {
    let decode = |pieces: &[&[u8]]| {
        let (mut decoder, mut events) = (frame::Decoder::new(LIMIT), Vec::new());
        let result =
            pieces.iter().try_for_each(|piece| decoder.feed(piece, |e| events.push(owned(e))));
        (events, result)
    };
    assert_eq!(decode(&pieces), decode(&[whole]));
    let mut rest = whole;
    while let Ok(frame::FirstFrame::Complete { payload, rest: after, .. }) =
        frame::split_first(rest, LIMIT)
    {
        assert!(payload.len() <= LIMIT && after.len() < rest.len());
        rest = after;
    }
}

fn poll_body(input: &[u8]) {
    let mut events = Vec::new();
    let Ok(last) = poll::decode_body(input, |event| events.push(owned(event))) else { return };
    let frames: Vec<_> = events
        .iter()
        .map(|event| {
            let mut frame = Vec::new();
            poll::encode_event(&borrowed(event), &mut frame);
            frame
        })
        .collect();
    let (mut body, mut again) = (Vec::new(), Vec::new());
    poll::encode_body(frames.iter().map(Vec::as_slice), last, &mut body);
    assert_eq!(poll::decode_body(&body, |event| again.push(owned(event))).unwrap(), last);
    assert_eq!(again, events);
}

fn stamp(input: &[u8]) {
    let Some(stamp) = Stamp::read_from(input) else { return };
    let mut again = input.to_vec();
    stamp.write_to(&mut again);
    assert_eq!(again, input);
}

fn names(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Some((channel, resource)) = parse_path(text) {
        assert_eq!(resource.path(channel), text);
        assert!(Resource::all().any(|known| known == resource));
    }
    assert!(!is_channel_name(text) || text.is_ascii());
    assert!(!is_event_name(text) || text.is_ascii());
    if let Ok(transport) = text.parse::<Transport>() {
        assert_eq!(transport.name(), text);
    }
}
