//! The largest deviation of many values, and its limit.

use std::fmt::Display;

/// Collects deviations; `end` prints the largest and ends the test if it is above the limit.
pub(super) struct Deviation {
    what: String,
    limit: f64,
    worst: f64,
    at: String,
    values: usize,
}

impl Deviation {
    pub(super) fn new(what: impl Display, limit: f64) -> Self {
        Self {
            what: what.to_string(),
            limit,
            worst: 0.0,
            at: "nowhere".into(),
            values: 0,
        }
    }

    pub(super) fn absolute(&mut self, at: impl Display, ours: f64, theirs: f64) {
        self.add(at, ours, theirs, (ours - theirs).abs());
    }

    pub(super) fn relative(&mut self, at: impl Display, ours: f64, theirs: f64) {
        let difference = (ours - theirs).abs();
        let deviation = if difference == 0.0 {
            0.0
        } else {
            difference / theirs.abs()
        };
        self.add(at, ours, theirs, deviation);
    }

    pub(super) fn end(self) {
        let Self {
            what,
            limit,
            worst,
            at,
            values,
        } = self;
        println!("{what}: at most {worst:.2e} in {values} values, {at}");
        assert!(values > 0, "{what}: nothing was compared");
        assert!(worst <= limit, "{what}: {worst:e} is above {limit:e}, {at}");
    }

    fn add(&mut self, at: impl Display, ours: f64, theirs: f64, deviation: f64) {
        self.values += 1;
        // A value that is no number counts as infinitely wrong.
        let deviation = if deviation.is_nan() {
            f64::INFINITY
        } else {
            deviation
        };
        if deviation > self.worst {
            self.worst = deviation;
            self.at = format!("at {at}: {ours} for {theirs}");
        }
    }
}
