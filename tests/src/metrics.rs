//! What Prometheus would see of a host.

use crate::host::Host;
use crate::http::{Call, Http};
use std::collections::BTreeSet;

/// The media type in which Prometheus asks for exemplars.
pub const OPEN_METRICS: &str =
    "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2";

/// The metrics of a host at one moment.
#[derive(Debug, Clone)]
pub struct Scrape {
    /// As they were sent.
    pub text: String,
}

impl Scrape {
    /// In Prometheus' plain format.
    #[track_caller]
    pub fn of(host: &Host) -> Self {
        Self::accepting(host, "text/plain")
    }

    /// In the best format that the client accepts.
    #[track_caller]
    pub fn accepting(host: &Host, accept: &str) -> Self {
        let address = host.metrics.expect("the host serves metrics");
        let scraper = Http::new(&format!("http://{address}"));
        let reply = scraper.send(&Call::get("/metrics").header("accept", accept)).expect(200);
        Self { text: String::from_utf8(reply.body).expect("text") }
    }

    /// The sum of the series of a name that have these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let wanted: Vec<String> = labels.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
        let series = self.text.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) =
                rest.strip_prefix('{').map_or(Some(("", rest)), |rest| rest.rsplit_once("} "))?;
            let matches = wanted.iter().all(|label| labels.split(',').any(|has| has == label));
            if matches { value.split(' ').find(|word| !word.is_empty())?.parse::<f64>().ok() } else { None }
        });
        series.sum()
    }

    /// The names of all series: those of histograms with what is appended to them.
    pub fn names(&self) -> BTreeSet<String> {
        let lines = self.text.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| line.split(['{', ' ']).next()).map(str::to_owned).collect()
    }
}
