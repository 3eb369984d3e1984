//! Sizes and times as people write them.

use std::str::FromStr;
use std::time::Duration;

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bytes(pub(crate) u64);

const SIZES: [(&str, u64); 10] = [
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("", 1),
];

const TIMES: [(&str, u64); 5] = [
    ("s", 1),
    ("m", 60),
    ("h", 3600),
    ("d", 24 * 3600),
    ("w", 7 * 24 * 3600),
];

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = amount(text, &SIZES)
            .ok_or_else(|| format!("`{text}` is no size: 500MB, 50GB, 2TiB"))?;
        Ok(Self(bytes as u64))
    }
}

pub(crate) fn parse_age(text: &str) -> Result<Duration, String> {
    let seconds =
        amount(text, &TIMES).ok_or_else(|| format!("`{text}` is no time: 30d, 12h, 45m, 2w"))?;
    Duration::try_from_secs_f64(seconds).map_err(|e| format!("`{text}`: {e}"))
}

fn amount(text: &str, units: &[(&str, u64)]) -> Option<f64> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim_start().to_lowercase();
    let &(_, size) = units.iter().find(|(name, _)| *name == unit)?;
    Some(number.parse::<f64>().ok()? * size as f64)
}

/// `1.2 GB`.
pub(crate) fn bytes(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in ["kB", "MB", "GB", "TB"] {
        if value < 999.95 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let parsed = ["50GB", "1.5 kB", "2TiB", "7"].map(|text| text.parse::<Bytes>().unwrap());
        assert_eq!(parsed, [50_000_000_000, 1500, 2 << 40, 7].map(Bytes));
        for wrong in ["", "GB", "5 apples", "-1GB", "1e3", "."] {
            assert!(wrong.parse::<Bytes>().is_err(), "{wrong}");
        }
        let shown = [0, 999, 1000, 999_949, 999_950, 3_210_000_000].map(bytes);
        assert_eq!(
            shown,
            ["0 B", "999 B", "1.0 kB", "999.9 kB", "1.0 MB", "3.2 GB"]
        );
    }

    #[test]
    fn ages() {
        assert_eq!(parse_age("1.5h"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_age("30d"), Ok(Duration::from_secs(30 * 86400)));
        for wrong in ["30", "d", "1y", "99999999999999999999999w"] {
            assert!(parse_age(wrong).is_err(), "{wrong}");
        }
    }
}
