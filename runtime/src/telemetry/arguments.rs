//! The options of metrics, traces and the log.

use super::log::LogFormat;
use super::otlp::{self, Sending};
use super::{Metrics, Telemetry, Tracing, trace};
use crate::arguments;
use crate::operate::health::Health;
use anyhow::Result;
use std::net::SocketAddr;
use std::sync::Arc;
use url::Url;

/// What `vwp up` takes for them.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where Prometheus fetches metrics (/metrics); port 0 takes a free one
    #[arg(long, env = "VWP_METRICS_LISTEN", value_name = "ADDRESS:PORT", value_parser = arguments::address)]
    pub metrics_listen: Option<SocketAddr>,
    /// A collector of OpenTelemetry to send traces to, over OTLP/HTTP: what stands before /v1/traces
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL", value_parser = endpoint)]
    otlp_endpoint: Option<Url>,
    /// Which share of the traces that begin here are sent, from 0 to 1
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", value_name = "RATIO", default_value_t = 1.0, value_parser = ratio)]
    otlp_sample_ratio: f64,
    /// How the log is written
    #[arg(long, env = "VWP_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

impl Arguments {
    /// What they ask for. The metrics are made if there is where to fetch them.
    pub fn start(&self, has_listener: bool, health: &Arc<Health>) -> Result<(Telemetry, Option<Sending>)> {
        let metrics = has_listener.then(|| Metrics::register(health));
        let Some(endpoint) = &self.otlp_endpoint else {
            return Ok((Telemetry { metrics, tracing: None }, None));
        };
        let resource = trace::resource();
        let (queue, sending) = otlp::start(endpoint, &resource, metrics.as_deref())?;
        let tracing = Some(Arc::new(Tracing::new(queue, resource, self.otlp_sample_ratio)));
        Ok((Telemetry { metrics, tracing }, Some(sending)))
    }
}

/// Reads an endpoint. The error does not repeat it, because a password may be in it.
fn endpoint(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("an endpoint is http:// or https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err("an endpoint has no user, no password and no query; OTEL_EXPORTER_OTLP_HEADERS \
             is for what proves who sends"
            .to_owned());
    }
    Ok(url)
}

fn ratio(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err("a ratio is a number from 0 to 1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_url_without_secrets() {
        for good in ["http://127.0.0.1:4318", "https://collector.example/otlp/"] {
            assert!(endpoint(good).is_ok(), "{good}");
        }
        for bad in
            ["collector:4318", "grpc://a.example", "http://u:p@a.example", "http://a.example?key=1", ""]
        {
            let refused = endpoint(bad).expect_err(bad);
            assert!(!refused.contains("u:p") && !refused.contains("key=1"), "{refused}");
        }
    }

    #[test]
    fn a_ratio_is_between_nothing_and_all() {
        assert_eq!((ratio("0"), ratio("0.25"), ratio("1")), (Ok(0.0), Ok(0.25), Ok(1.0)));
        for bad in ["-0.1", "1.1", "NaN", "half", ""] {
            assert!(ratio(bad).is_err(), "{bad}");
        }
    }
}
