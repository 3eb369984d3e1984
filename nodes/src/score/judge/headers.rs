//! What servers say in headers: when to come back, and how much is left.

use std::time::{Duration, SystemTime};

use super::limiter::{Rate, Rates};

/// Gives the value of a header.
pub(super) type Header<'a> = &'a dyn Fn(&str) -> Option<String>;

/// How long to wait, from `retry-after-ms`, or `Retry-After` in seconds or as a date.
pub(super) fn retry_after(header: Header<'_>, now: SystemTime) -> Option<Duration> {
    if let Some(milliseconds) = header("retry-after-ms").and_then(|text| plain(&text)) {
        return seconds(milliseconds / 1000.0);
    }
    let text = header("retry-after")?;
    if let Some(number) = plain(&text) {
        return seconds(number);
    }
    let date = httpdate::parse_http_date(text.trim()).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// `x-ratelimit-remaining-*` and `x-ratelimit-reset-*` of requests and tokens.
pub(super) fn rates(header: Header<'_>) -> Rates {
    let rate = |what: &str| Rate {
        remaining: header(&format!("x-ratelimit-remaining-{what}")).and_then(|text| plain(&text)),
        reset: header(&format!("x-ratelimit-reset-{what}")).and_then(|text| duration(&text)),
    };
    Rates {
        requests: rate("requests"),
        tokens: rate("tokens"),
    }
}

/// `20ms`, `1s`, `6m0s`, `1h2m3.5s`, or seconds without a unit.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Some(number) = plain(text) {
        return seconds(number);
    }
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let units = [
            ("ms", 0.001),
            ("s", 1.0),
            ("m", 60.0),
            ("h", 3600.0),
            ("d", 86400.0),
        ];
        let (unit, factor) = units.into_iter().find(|(unit, _)| rest.starts_with(unit))?;
        rest = &rest[unit.len()..];
        total += number * factor;
    }
    (!text.is_empty()).then(|| seconds(total)).flatten()
}

fn plain(text: &str) -> Option<f64> {
    let number: f64 = text.trim().parse().ok()?;
    number.is_finite().then_some(number)
}

fn seconds(number: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(number.max(0.0)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(pairs: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        let pairs: Vec<(String, String)> = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        move |name: &str| {
            let found = pairs.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone())
        }
    }

    #[test]
    fn retry_after_in_seconds_and_as_a_date() {
        let now = httpdate::parse_http_date("Wed, 21 Oct 2015 07:28:00 GMT").unwrap();
        let wait = |value: &str| retry_after(&of(&[("retry-after", value)]), now);
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(
            wait("Wed, 21 Oct 2015 07:29:30 GMT"),
            Some(Duration::from_secs(90))
        );
        assert_eq!(wait("Wed, 21 Oct 2015 07:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("-3"), Some(Duration::ZERO));
        assert_eq!(wait("soon"), None);
        let both = of(&[("retry-after-ms", "250"), ("retry-after", "1")]);
        assert_eq!(retry_after(&both, now), Some(Duration::from_millis(250)));
        assert_eq!(retry_after(&of(&[]), now), None);
    }

    #[test]
    fn what_is_left_and_until_when() {
        let header = of(&[
            ("x-ratelimit-remaining-requests", "59"),
            ("x-ratelimit-reset-requests", "1s"),
            ("x-ratelimit-remaining-tokens", "0"),
            ("x-ratelimit-reset-tokens", "6m0s"),
        ]);
        let rates = rates(&header);
        assert_eq!(rates.requests.remaining, Some(59.0));
        assert_eq!(rates.requests.reset, Some(Duration::from_secs(1)));
        assert_eq!(rates.tokens.reset, Some(Duration::from_mins(6)));
    }

    #[test]
    fn durations() {
        let given = [
            "20ms", "1h2m3.5s", "12", "12.5s", "1d", "", "x", "5", "5y", "m",
        ];
        let found = given.map(|text| duration(text).map(|d| d.as_secs_f64()));
        let some = |seconds: f64| Some(seconds);
        assert_eq!(
            found,
            [
                some(0.02),
                some(3723.5),
                some(12.0),
                some(12.5),
                some(86400.0),
                None,
                None,
                some(5.0),
                None,
                None
            ]
        );
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,12}") {
            duration(&text);
            retry_after(&of(&[("retry-after", &text)]), SystemTime::now());
        }
    }
}
