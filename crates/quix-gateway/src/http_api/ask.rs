//! `Ask`: what a read of a topic is asked for: the query and the headers, checked.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use utoipa::IntoParams;

use super::cursor::Cursor;
use super::form::Form;
use crate::audience::Wishes;
use crate::errors::Problem;
use crate::subscription::{Kind, Scope, Select, Subscription};

/// As the OpenAPI document has it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "read by its derive only; `Ask::read` does what it says")]
pub(super) struct Query {
    /// Where to begin: `earliest`, `end` (default), an offset, which counts in every partition, milliseconds since 1970 (any
    /// number from 1000000000000 on), a time as RFC 3339 has it, or how long ago, such as `-10m` (`ms`, `s`, `m`, `h`, `d`).
    from: Option<String>,
    /// Where to go on: the `id` of the last event that was read, or what the header `Streamgate-Cursor` said. Goes before
    /// `from`. To be given back as it is; the filters must be the same.
    cursor: Option<String>,
    /// Stop where the topic ends now, rather than going on live. Default false.
    until_end: Option<bool>,
    /// Only of the stream of this id; may be given several times. Default: all streams, as `*`.
    stream: Option<Vec<String>>,
    /// Values of the parameter of this id, or of all (`*`), as the hub's `SubscribeToParameter` gives them; may be given
    /// several times.
    parameter: Option<Vec<String>>,
    /// Events of this id, or all (`*`), as the hub's `SubscribeToEvent` gives them; may be given several times.
    event: Option<Vec<String>>,
    /// Everything of a kind; may be given several times. Default `packages`, unless there is a `parameter` or `event`.
    #[param(inline)]
    kind: Option<Vec<KindName>>,
    /// A bounded read: answer when there are so many messages, 1 to 10000, or 2 MiB of them. Default 1000 if there is a `wait`.
    #[param(minimum = 1, maximum = 10000)]
    max: Option<u32>,
    /// A bounded read: answer after this time at the latest with what is there, such as `20s`, up to `60s`; a mere number is
    /// seconds. Default 0 if there is a `max`: answer with what is there now, or with what of it was read in 30 s.
    wait: Option<String>,
}

#[derive(utoipa::ToSchema)]
#[schema(rename_all = "kebab-case")]
#[allow(dead_code, reason = "read by its derive only; `kind` does what it says")]
enum KindName {
    Packages,
    Parameters,
    Events,
    ParameterDefinitions,
    EventDefinitions,
}

/// What is asked for.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) from: From,
    pub(super) until_end: bool,
    pub(super) wishes: Wishes,
    pub(super) bounds: Option<Bounds>,
    pub(super) form: Form,
}

/// Where to begin.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum From {
    Earliest,
    End,
    Offset(i64),
    /// Milliseconds since 1970.
    Time(i64),
    Cursor(Cursor),
}

/// Of a read that is answered when it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Messages.
    pub(super) max: usize,
    /// Whether it goes on at the end, for what comes meanwhile.
    pub(super) waits: bool,
    /// In which it is answered.
    pub(super) time: Duration,
}

/// The parameters of a query in their order.
pub(super) type Pairs = Vec<(String, String)>;

impl Ask {
    /// Reads the query; a wrong parameter is named, with what it takes. `max_wishes` bounds what the filters come to.
    pub(super) fn read(
        pairs: &Pairs,
        headers: &HeaderMap,
        now: SystemTime,
        max_wishes: usize,
    ) -> Result<Self, Problem> {
        let form = form(headers);
        let id = headers.get("last-event-id").map(|id| (id.to_str().unwrap_or_default(), "The header 'Last-Event-ID'"));
        let cursor = one(pairs, "cursor")?.map(|cursor| (cursor, "The parameter 'cursor'"));
        // An `EventSource` asks the same address again, so that what it read last counts. Where there are no events there is no
        // id of one, and it is the address that says where to go on: maybe that of a `Link`.
        let cursor = if form == Form::Events { id.or(cursor) } else { cursor.or(id) };
        let from = match cursor {
            Some((text, what)) => From::Cursor(text.parse().map_err(|_| {
                wrong(what, "must be the 'id' of an event or a 'Streamgate-Cursor' as this server gave it, such as '0:120,1:77'")
            })?),
            None => one(pairs, "from")?.map_or(Ok(From::End), |text| from(text, now))?,
        };
        let until_end = match one(pairs, "until_end")? {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(wrong_parameter("until_end", "must be 'true' or 'false'")),
        };
        Ok(Self { from, until_end, wishes: wishes(pairs, max_wishes)?, bounds: bounds(pairs)?, form })
    }
}

/// Events, if they are asked for by name.
fn form(headers: &HeaderMap) -> Form {
    let accepted = headers.get_all(header::ACCEPT).into_iter().filter_map(|accept| accept.to_str().ok());
    let mut kinds =
        accepted.flat_map(|accept| accept.split(',')).map(|kind| kind.split(';').next().unwrap_or_default());
    if kinds.any(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream")) { Form::Events } else { Form::Lines }
}

fn from(text: &str, now: SystemTime) -> Result<From, Problem> {
    let now_ms = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
    let found = match text {
        "end" => Some(From::End),
        "earliest" => Some(From::Earliest),
        _ if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok().map(|number| match number {
            LEAST_TIME_MS.. => From::Time(number),
            _ => From::Offset(number),
        }),
        _ => match text.strip_prefix('-') {
            Some(ago) => span(ago).map(|ago| From::Time(now_ms.saturating_sub(ago.as_millis() as i64).max(0))),
            // The `+` of a zone that was not percent-encoded.
            None => {
                text.replace(' ', "+").parse::<Timestamp>().ok().map(|time| From::Time(time.as_millisecond().max(0)))
            }
        },
    };
    found.ok_or_else(|| {
        let allowed = "must be 'earliest', 'end', an offset (0 or more), milliseconds since 1970 (1000000000000 or more), \
                       a time such as '2026-01-31T12:00:00Z', or how long ago, such as '-10m' (units ms, s, m, h, d)";
        wrong_parameter("from", allowed)
    })
}

fn wishes(pairs: &Pairs, max: usize) -> Result<Wishes, Problem> {
    let (streams, parameters, events) = (all(pairs, "stream"), all(pairs, "parameter"), all(pairs, "event"));
    let mut kinds = all(pairs, "kind").into_iter().map(kind).collect::<Result<Vec<_>, _>>()?;
    kinds.extend((!parameters.is_empty()).then_some(Kind::Parameters));
    kinds.extend((!events.is_empty()).then_some(Kind::Events));
    if kinds.is_empty() {
        kinds.push(Kind::Packages);
    }
    // Each once: what is multiplied below must come to something new each time, so that the bound holds.
    let kinds: BTreeSet<Kind> = kinds.into_iter().collect();
    let or_all = |names: Vec<&str>| -> BTreeSet<Select> {
        if names.is_empty() { [Select::All].into() } else { names.into_iter().map(Select::of).collect() }
    };
    let whole = [Select::All].into();
    let (streams, parameters, events) = (or_all(streams), or_all(parameters), or_all(events));
    let mut wishes = Wishes::new();
    for kind in kinds {
        let ids = match kind {
            Kind::Parameters => &parameters,
            Kind::Events => &events,
            _ => &whole,
        };
        for (stream, id) in streams.iter().flat_map(|stream| ids.iter().map(move |id| (stream, id))) {
            wishes.insert(Subscription { kind, stream: stream.clone(), id: id.clone(), scope: Scope::Topic });
            if wishes.len() > max {
                let detail = format!("The filters come to more than {max} subscriptions (limit `subscriptions`).");
                return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
            }
        }
    }
    Ok(wishes)
}

fn kind(name: &str) -> Result<Kind, Problem> {
    Ok(match name {
        "packages" => Kind::Packages,
        "parameters" => Kind::Parameters,
        "events" => Kind::Events,
        "parameter-definitions" => Kind::ParameterDefinitions,
        "event-definitions" => Kind::EventDefinitions,
        _ => {
            let allowed = "must be 'packages', 'parameters', 'events', 'parameter-definitions' or 'event-definitions'";
            return Err(wrong_parameter("kind", allowed));
        }
    })
}

fn bounds(pairs: &Pairs) -> Result<Option<Bounds>, Problem> {
    let max = one(pairs, "max")?.map(|text| {
        let number = text.parse().ok().filter(|number| (1..=MAX_MESSAGES).contains(number));
        number.ok_or_else(|| wrong_parameter("max", &format!("must be a number from 1 to {MAX_MESSAGES}")))
    });
    let wait = one(pairs, "wait")?.map(|text| {
        let seconds = text.parse().ok().map(Duration::from_secs);
        let wait = seconds.or_else(|| span(text)).filter(|wait| *wait <= MAX_WAIT);
        wait.ok_or_else(|| wrong_parameter("wait", "must be a time from '0s' to '60s', such as '20s' or '500ms'"))
    });
    let (max, wait) = (max.transpose()?, wait.transpose()?);
    let is_bounded = max.is_some() || wait.is_some();
    let waits = wait.is_some_and(|wait| !wait.is_zero());
    let time = wait.filter(|_| waits).unwrap_or(UNWAITED);
    let bounds = Bounds { max: max.unwrap_or(DEFAULT_MESSAGES), waits, time };
    Ok(is_bounded.then_some(bounds))
}

/// A number with its unit.
fn span(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|letter: char| !letter.is_ascii_digit())?);
    let number: u64 = number.parse().ok()?;
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).filter(|millis| i64::try_from(*millis).is_ok()).map(Duration::from_millis)
}

/// The value of a parameter that may stand once.
fn one<'a>(pairs: &'a Pairs, name: &str) -> Result<Option<&'a str>, Problem> {
    match all(pairs, name)[..] {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        _ => Err(wrong_parameter(name, "may be given once only")),
    }
}

fn all<'a>(pairs: &'a Pairs, name: &str) -> Vec<&'a str> {
    pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
}

fn wrong_parameter(name: &str, allowed: &str) -> Problem {
    wrong(&format!("The parameter '{name}'"), allowed)
}

fn wrong(what: &str, allowed: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, format!("{what} {allowed}."))
}

/// September 2001; no offset is so large.
const LEAST_TIME_MS: i64 = 1_000_000_000_000;
const DEFAULT_MESSAGES: usize = 1_000;
const MAX_MESSAGES: usize = 10_000;
/// Proxies give up soon after.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// For what is there: filters may leave nothing of very much.
const UNWAITED: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_is_a_place_or_a_time() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_600_000);
        for (text, expected) in [
            ("earliest", From::Earliest),
            ("end", From::End),
            ("0", From::Offset(0)),
            ("999999999999", From::Offset(999_999_999_999)),
            ("1000000000000", From::Time(1_000_000_000_000)),
            ("-10m", From::Time(1_700_000_000_000)),
            ("-1500ms", From::Time(1_700_000_598_500)),
            ("-99999d", From::Time(0)),
            ("2023-11-14T22:13:20Z", From::Time(1_700_000_000_000)),
            ("2023-11-14T23:13:20.5 01:00", From::Time(1_700_000_000_500)),
        ] {
            assert_eq!(super::from(text, now).unwrap(), expected, "{text}");
        }
        for text in [
            "",
            "x",
            "-1",
            "-",
            "-m",
            "-1y",
            "1.5",
            "2023-11-14T22:13:20",
            "99999999999999999999",
            "-9999999999999999d",
        ] {
            let problem = super::from(text, now).unwrap_err();
            assert!(
                problem.detail.starts_with("The parameter 'from' must be 'earliest'"),
                "{text}: {}",
                problem.detail
            );
        }
    }

    #[test]
    fn a_bounded_read_has_a_time_to_be_answered_in() {
        let bounds = |query: &[(&str, &str)]| {
            let pairs: Pairs = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            super::bounds(&pairs).unwrap()
        };
        let of = |max, waits, millis| Some(Bounds { max, waits, time: Duration::from_millis(millis) });
        assert_eq!(bounds(&[]), None);
        assert_eq!(bounds(&[("max", "7")]), of(7, false, 30_000));
        assert_eq!(bounds(&[("max", "7"), ("wait", "0s")]), of(7, false, 30_000));
        assert_eq!(bounds(&[("wait", "2")]), of(1000, true, 2000));
        assert_eq!(bounds(&[("max", "7"), ("wait", "500ms")]), of(7, true, 500));
    }

    #[test]
    fn filters_are_the_subscriptions_that_the_hub_would_make() {
        let wishes = |query: &[(&str, &str)]| {
            let pairs: Pairs = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            super::wishes(&pairs, 4)
        };
        let of = |kind, stream: &str, id: &str| Subscription {
            kind,
            stream: Select::of(stream),
            id: Select::of(id),
            scope: Scope::Topic,
        };
        assert_eq!(wishes(&[]).unwrap(), Wishes::from([of(Kind::Packages, "*", "*")]));
        assert_eq!(wishes(&[("stream", "s")]).unwrap(), Wishes::from([of(Kind::Packages, "s", "*")]));
        let two = [("stream", "s"), ("parameter", "a"), ("parameter", "b"), ("event", "*")];
        let expected = [of(Kind::Parameters, "s", "a"), of(Kind::Parameters, "s", "b"), of(Kind::Events, "s", "*")];
        assert_eq!(wishes(&two).unwrap(), Wishes::from(expected));
        let kinds = [("kind", "parameters"), ("kind", "event-definitions")];
        let expected = [of(Kind::Parameters, "*", "*"), of(Kind::EventDefinitions, "*", "*")];
        assert_eq!(wishes(&kinds).unwrap(), Wishes::from(expected));
        assert!(
            wishes(&[("kind", "event")]).unwrap_err().detail.starts_with("The parameter 'kind' must be 'packages'")
        );
        let many = ["a", "b", "c", "d", "e"].map(|id| ("event", id));
        assert_eq!(wishes(&many).unwrap_err().status, StatusCode::BAD_REQUEST);
    }
}
