//! A URL of Redis as a place to connect to.

use super::foreign::Location;

/// Where a Redis is, and as whom one speaks to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RedisPlace {
    /// Host and port.
    pub(crate) location: Location,
    /// None: the default one.
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    /// None: the first one.
    pub(super) database: Option<u32>,
}

/// Where Redis listens unless it is told otherwise.
const USUAL_PORT: u16 = 6379;

impl RedisPlace {
    /// Reads `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]`, or `rediss://` with TLS.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub(crate) fn of(url: &str) -> Result<Self, String> {
        let (scheme, rest) = match (url.strip_prefix("redis://"), url.strip_prefix("rediss://")) {
            (Some(rest), _) => ("http", rest),
            (_, Some(rest)) => ("https", rest),
            _ => return Err("it must begin with redis:// or rediss://".to_owned()),
        };
        // A password may hold anything, the sign before the host among it.
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => (Some(login), rest),
            None => (None, rest),
        };
        let (user, password) = match login.map(|login| login.split_once(':').unwrap_or((login, "")))
        {
            Some((user, password)) => (decoded(user), decoded(password)),
            None => (None, None),
        };
        let (host, database) = rest.split_once('/').unwrap_or((rest, ""));
        let database = match database {
            "" => None,
            number => Some(
                number
                    .parse()
                    .map_err(|_| format!("the database of Redis is a number, found {number:?}"))?,
            ),
        };
        let has_port = host.rsplit(']').next().is_some_and(|behind| behind.contains(':'));
        let port = if has_port { String::new() } else { format!(":{USUAL_PORT}") };
        let location = Location::of(&format!("{scheme}://{host}{port}"));
        let location = location.ok().filter(|location| !location.host.is_empty());
        let location = location.ok_or_else(|| format!("{host:?} is no host of Redis"))?;
        Ok(Self { location, user, password, database })
    }
}

/// Without percent-encoding (RFC 3986 §2.1); none of nothing.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let hex = behind.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let byte = hex.and_then(|two| u8::from_str_radix(two, 16).ok());
        match (first, byte) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            _ => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    (!bytes.is_empty()).then(|| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lead_to_redis() {
        let of = |url: &str| {
            let place = RedisPlace::of(url).unwrap();
            let at = (place.location.host_and_port(), place.location.is_secure());
            let login = [place.user, place.password].map(Option::unwrap_or_default);
            (at, login.join(":"), place.database)
        };
        let at = |at: &str, is_secure| (at.to_owned(), is_secure);
        assert_eq!(of("redis://a"), (at("a:6379", false), ":".to_owned(), None));
        assert_eq!(of("rediss://a:1/"), (at("a:1", true), ":".to_owned(), None));
        assert_eq!(of("redis://[::1]/2"), (at("[::1]:6379", false), ":".to_owned(), Some(2)));
        assert_eq!(of("redis://:p%40%2f@[::1]:7").1, ":p@/");
        assert_eq!(
            of("redis://u:a@b:c/d%@h:7/1"),
            (at("h:7", false), "u:a@b:c/d%".to_owned(), Some(1))
        );
        for (url, why) in [
            ("http://a", "must begin with redis://"),
            ("redis://a/b", "is a number, found \"b\""),
            ("redis://", "is no host"),
            ("redis://a b", "is no host"),
        ] {
            let error = RedisPlace::of(url).unwrap_err();
            assert!(error.contains(why), "{url}: {error}");
        }
    }
}
