//! Requests to Stripe, and what its refusals mean.

use crate::Settings;
use http::{Request, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use vwp_core::Outbound;
use vwp_core::outbound::Limits;
use vwp_processor::Fault;

/// The version of the API that is spoken, whatever the account's default is.
const VERSION: &str = "2024-06-20";
/// What one request may cost.
const LIMITS: Limits = Limits { body_bytes_max: 1_048_576, time_max: Duration::from_secs(5) };

/// Stripe, as far as it is reached.
pub(crate) struct Api<'a, N> {
    pub(crate) network: &'a N,
    pub(crate) settings: &'a Settings,
}

/// <https://docs.stripe.com/api/errors>
#[derive(Deserialize)]
struct Refusal {
    error: RefusalError,
}

#[derive(Deserialize)]
struct RefusalError {
    #[serde(rename = "type", default)]
    kind: String,
    code: Option<String>,
}

impl<N: Outbound> Api<'_, N> {
    /// Reads something.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Fault> {
        let request = Request::get(format!("{}/v1/{path}", self.settings.url));
        self.send(request, Vec::new()).await
    }

    /// Does something, once for the key (<https://docs.stripe.com/api/idempotent_requests>).
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        key: &str,
        fields: &[(&str, String)],
    ) -> Result<T, Fault> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        let request = Request::post(format!("{}/v1/{path}", self.settings.url))
            .header("idempotency-key", key)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request, form.finish().into_bytes()).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        request: http::request::Builder,
        body: Vec<u8>,
    ) -> Result<T, Fault> {
        let request = request
            .header(header::AUTHORIZATION, format!("Bearer {}", self.settings.key))
            .header("stripe-version", VERSION)
            .body(body)
            // The error may name what was tried, and so the key.
            .map_err(|_| Fault::Unknown("stripe_url or stripe_key is malformed".to_owned()))?;
        let answer =
            self.network.send(request, LIMITS).await.map_err(|error| Fault::Unknown(error.to_string()))?;
        if answer.status() == StatusCode::OK {
            return serde_json::from_slice(answer.body())
                .map_err(|error| Fault::Unknown(format!("the answer is not the expected one: {error}")));
        }
        Err(fault(answer.status(), answer.body()))
    }
}

/// Whether something was refused for good. Of what may be tried again with the same key nobody knows yet what
/// becomes of it.
fn fault(status: StatusCode, body: &[u8]) -> Fault {
    let refusal: Option<RefusalError> =
        serde_json::from_slice(body).ok().map(|refusal: Refusal| refusal.error);
    let is_final =
        matches!(status, StatusCode::BAD_REQUEST | StatusCode::PAYMENT_REQUIRED | StatusCode::NOT_FOUND);
    match refusal {
        Some(RefusalError { kind, code }) if is_final && kind != "idempotency_error" => {
            Fault::Refused(code.unwrap_or(kind))
        }
        _ => Fault::Unknown(format!("Stripe answered {status}")),
    }
}
