//! Answers as gzip: whether a server that was asked to compress does, and what it sent.

use hyper::HeaderMap;
use hyper::header::{CONTENT_ENCODING, VARY};
use pushbench_wire::gzip::Decoder;

use super::ClientError;

/// What a request says that takes it.
pub(super) const ACCEPTED_ENCODING: &str = "gzip";

/// How the body of an answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
}

/// How a body with this head comes.
///
/// # Errors
/// When it comes in a way that nobody asked for.
pub(super) fn coding(headers: &HeaderMap) -> Result<Coding, ClientError> {
    match headers.get(CONTENT_ENCODING).map(hyper::header::HeaderValue::as_bytes) {
        None => Ok(Coding::Identity),
        Some(coding) if coding.eq_ignore_ascii_case(b"gzip") => Ok(Coding::Gzip),
        Some(coding) => {
            let coding = String::from_utf8_lossy(coding);
            Err(ClientError::NotCompressed(format!("an answer comes as {coding}, not as gzip")))
        }
    }
}

/// Sees that a server compresses what is worth it: it says so of small answers, too (RFC 9110 §12.5.5).
///
/// # Errors
/// When it does not.
pub(super) fn ensure_compressible(headers: &HeaderMap) -> Result<(), ClientError> {
    let mut values = headers.get_all(VARY).iter().filter_map(|value| value.to_str().ok());
    let names_it = |value: &str| {
        value.split(',').any(|name| name.trim().eq_ignore_ascii_case("accept-encoding"))
    };
    if values.any(names_it) {
        return Ok(());
    }
    let why = "it has no `Vary: Accept-Encoding`, so it does not compress";
    Err(ClientError::NotCompressed(why.to_owned()))
}

/// Puts the content of `body` in the place of what `content` holds, at most `limit` bytes.
///
/// # Errors
/// When it cannot be read, or is not complete, or is larger.
pub(super) fn decode(
    decoder: &mut Decoder,
    body: &[u8],
    limit: usize,
    content: &mut Vec<u8>,
) -> Result<(), ClientError> {
    decoder.reset();
    content.clear();
    decoder.feed(body, |part| {
        if content.len() + part.len() > limit {
            return Err(ClientError::TooLarge { limit });
        }
        content.extend_from_slice(part);
        Ok(())
    })?;
    if !decoder.is_complete() {
        return Err(ClientError::NotCompressed("the end of an answer is missing".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;
    use pushbench_wire::deflate::push_flushed;
    use pushbench_wire::gzip::{HEAD, Member};

    fn gzip(content: &[u8]) -> Vec<u8> {
        let (mut member, mut body) = (Member::default(), HEAD.to_vec());
        member.add(content);
        push_flushed(content, &mut body);
        body.extend(member.end());
        body
    }

    #[test]
    fn a_bomb_and_what_is_damaged_are_errors() {
        let mut decoder = Decoder::default();
        let mut content = Vec::new();
        let mut read = |body: &[u8]| {
            let outcome = decode(&mut decoder, body, 1_000, &mut content);
            assert!(content.capacity() <= 64 << 10, "{} bytes", content.capacity());
            outcome.map(|()| content.clone()).map_err(|error| error.to_string())
        };
        let bomb = gzip(&vec![b'x'; 50 << 20]);
        assert_eq!(
            read(&bomb),
            Err("the server sent an answer of more than 1000 bytes".to_owned())
        );
        let good = gzip(b"all of it");
        assert_eq!(read(&good), Ok(b"all of it".to_vec()), "what comes next is read");
        assert!(
            read(&good[..good.len() - 1]).unwrap_err().contains("the end of an answer is missing")
        );
        let mut bad = good.clone();
        *bad.last_mut().unwrap() ^= 1;
        assert!(read(&bad).unwrap_err().contains("its checksum or its length is wrong"));
        assert!(read(b"{}").unwrap_err().contains("it does not begin as gzip does"));
        assert_eq!(read(&good), Ok(b"all of it".to_vec()));
    }

    #[test]
    fn a_server_that_does_not_compress_is_told_from_one_that_does() {
        let headers = |name: hyper::header::HeaderName, values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(&name, HeaderValue::from_static(value));
            }
            headers
        };
        assert!(ensure_compressible(&headers(VARY, &["Origin", "accept-encoding, X"])).is_ok());
        assert!(ensure_compressible(&headers(VARY, &["Origin"])).is_err());
        assert!(ensure_compressible(&HeaderMap::new()).is_err());
        assert_eq!(coding(&HeaderMap::new()).unwrap(), Coding::Identity);
        assert_eq!(coding(&headers(CONTENT_ENCODING, &["GZip"])).unwrap(), Coding::Gzip);
        let error = coding(&headers(CONTENT_ENCODING, &["br"])).unwrap_err().to_string();
        assert!(error.ends_with("an answer comes as br, not as gzip"), "{error}");
    }
}
