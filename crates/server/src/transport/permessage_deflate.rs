//! Which compression of WebSocket messages a client and the server agree on (RFC 7692 §7.1): the messages of both
//! are compressed each by itself, as those of the server are shared by all who receive them.

use hyper::header::SEC_WEBSOCKET_EXTENSIONS;
use hyper::http::request::Parts;

use crate::http::request::list;

/// The window of DEFLATE itself, which the server's messages need.
const WINDOW_BITS: u8 = 15;

/// The answer to the first offer that the server can meet, if there is one.
pub(super) fn agreed(request: &Parts) -> Option<&'static str> {
    list(request, SEC_WEBSOCKET_EXTENSIONS).find_map(answer)
}

/// The answer to one offer; none declines it (§5.1, §7.1).
fn answer(offer: &str) -> Option<&'static str> {
    let mut parts = offer.split(';').map(str::trim);
    if parts.next() != Some("permessage-deflate") {
        return None;
    }
    let mut names = Vec::new();
    let mut names_server_window = false;
    for parameter in parts {
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name.trim_end(), Some(unquoted(value.trim_start()))),
            None => (parameter, None),
        };
        if names.contains(&name) {
            return None;
        }
        names.push(name);
        match (name, value) {
            ("server_no_context_takeover" | "client_no_context_takeover", None) => {}
            // A client that says how small its window can be need not be told to use that.
            ("client_max_window_bits", None) => {}
            ("client_max_window_bits", Some(bits)) if window(bits).is_some() => {}
            // What is shared refers as far back as it can.
            ("server_max_window_bits", Some(bits)) if window(bits) == Some(WINDOW_BITS) => {
                names_server_window = true;
            }
            _ => return None,
        }
    }
    Some(if names_server_window {
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
         server_max_window_bits=15"
    } else {
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    })
}

/// A value may be quoted (RFC 6455 §9.1).
fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

/// A window, in bits (§7.1.2): without a zero at the front.
fn window(bits: &str) -> Option<u8> {
    let is_written_well =
        bits.bytes().all(|digit| digit.is_ascii_digit()) && !bits.starts_with('0');
    bits.parse().ok().filter(|bits| is_written_well && (8..=WINDOW_BITS).contains(bits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    fn agreed_of(offers: &[&str]) -> Option<&'static str> {
        let mut request = Request::builder();
        for offer in offers {
            request = request.header(SEC_WEBSOCKET_EXTENSIONS, *offer);
        }
        agreed(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn an_offer_that_can_be_met_is_accepted() {
        let usual = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        for offer in [
            "permessage-deflate",
            // What Chromium and the package ws offer.
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate;client_max_window_bits=8;server_no_context_takeover",
            "permessage-deflate; client_max_window_bits=\"15\"; client_no_context_takeover",
            "x-webkit-deflate-frame, permessage-deflate",
            // The first one cannot be met, the second one can (RFC 7692 §5.2).
            "permessage-deflate; server_max_window_bits=10, permessage-deflate",
        ] {
            assert_eq!(agreed_of(&[offer]), Some(usual), "{offer}");
        }
        assert_eq!(agreed_of(&["mux", "permessage-deflate"]), Some(usual), "several lines");
        let whole = agreed_of(&["permessage-deflate; server_max_window_bits=15"]).unwrap();
        assert_eq!(whole, format!("{usual}; server_max_window_bits=15"));
    }

    #[test]
    fn any_other_offer_is_declined() {
        for offer in [
            "",
            "permessage-bzip2",
            "permessage-deflate; server_max_window_bits=14",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=015",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; client_max_window_bits=+9",
            "permessage-deflate; client_max_window_bits=",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
            "permessage-deflate; unknown",
            "permessage-deflate;",
        ] {
            assert_eq!(agreed_of(&[offer]), None, "{offer}");
        }
        assert_eq!(agreed_of(&[]), None);
    }
}
