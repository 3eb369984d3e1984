//! Sizes and times as people write and read them. Sizes go by powers of 1024.

use std::time::Duration;

const SIZES: [(&str, u64); 14] = [
    ("", 1),
    ("b", 1),
    ("k", 1 << 10),
    ("kb", 1 << 10),
    ("kib", 1 << 10),
    ("m", 1 << 20),
    ("mb", 1 << 20),
    ("mib", 1 << 20),
    ("g", 1 << 30),
    ("gb", 1 << 30),
    ("gib", 1 << 30),
    ("t", 1 << 40),
    ("tb", 1 << 40),
    ("tib", 1 << 40),
];

const TIMES: [(&str, u64); 5] = [
    ("s", 1),
    ("m", 60),
    ("h", 3600),
    ("d", 24 * 3600),
    ("w", 7 * 24 * 3600),
];

/// `8GB`, `512 MiB`, or bytes.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let bytes = amount(text, &SIZES).filter(|bytes| *bytes >= 1.0);
    let wrong = || format!("`{text}` is no size; write for example 8GB");
    bytes.map(|bytes| bytes as u64).ok_or_else(wrong)
}

/// `30d`, `12h`.
pub(crate) fn parse_age(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time; write for example 30d, 12h or 45m");
    let seconds = amount(text, &TIMES).ok_or_else(wrong)?;
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

fn amount(text: &str, units: &[(&str, u64)]) -> Option<f64> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim().to_lowercase();
    let &(_, size) = units.iter().find(|(name, _)| *name == unit)?;
    Some(number.parse::<f64>().ok()? * size as f64)
}

/// `1.2 GiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let parsed = ["50GB", "1.5 kB", "2TiB", "7"].map(parse_size);
        assert_eq!(parsed, [50 << 30, 1536, 2 << 40, 7].map(Ok));
        for wrong in ["", "GB", "5 apples", "-1GB", "1e3", ".", "0"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
        let shown = [0, 1023, 1024, (1 << 20) - 1, 1 << 20, 3_435_973_836].map(size);
        assert_eq!(
            shown,
            ["0 B", "1023 B", "1.0 KiB", "1.0 MiB", "1.0 MiB", "3.2 GiB"]
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
