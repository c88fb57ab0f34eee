//! An example of middleware: it lets through who presents a passport, and tells the handler
//! behind it what the port calls the traveller at this world. The handler needs to know nothing of
//! passports.
//!
//! What it decides is in [`check`] and [`nonce`], natively tested. This file connects it to
//! `wasi:http/handler` on both sides, to `vwp:auth/verifier`, which believes or refuses the
//! passport without asking anybody, and to `wasi:config/store`, which holds the settings.

pub mod check;
pub mod nonce;

#[cfg(target_family = "wasm")]
mod component {
    #![allow(unsafe_code, reason = "the export macros generate it")]

    mod bindings {
        #![allow(missing_docs, unsafe_code, unreachable_pub, clippy::pedantic, reason = "generated")]
        spin_sdk::wit_bindgen::generate!({
            inline: "
                package vwp:passport-check@0.1.0;
                world passport-check {
                    import wasi:config/store@0.2.0-draft-2024-09-27;
                    import vwp:auth/verifier@0.1.0;
                }
            ",
            path: ["../../wit/deps/wasi-config@0.2.0-draft-2024-09-27", "../../wit/auth"],
            world: "vwp:passport-check/passport-check",
            runtime_path: "::spin_sdk::wit_bindgen::rt",
            generate_all,
        });
    }

    use crate::check::{self, Believed, Refused, Settings};
    use bindings::vwp::auth::types::Expectation;
    use bindings::vwp::auth::verifier;
    use bindings::wasi::config::store;
    use http_body_util::Full;
    use spin_sdk::http::{BoxBody, Request, Response, box_body};
    use spin_sdk::http_service;
    use std::time::{SystemTime, UNIX_EPOCH};
    use vwp_core::Problem;

    #[http_service]
    async fn handle(request: Request) -> Response<BoxBody> {
        let (mut head, body) = request.into_parts();
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        let settings = match Settings::read(setting) {
            Ok(settings) => settings,
            Err(fault) => {
                eprintln!("{fault}");
                return whole(Problem::internal().into_response());
            }
        };
        let refusal = check::refuse(&mut head.headers, &settings, now, |presentation, nonce| {
            verify(presentation, nonce, &settings, now)
        });
        if let Some(refusal) = refusal {
            return whole(refusal);
        }
        // The body is wrapped, so that what is sent on is this head with it, and never the
        // request as it arrived.
        match spin_sdk::http::next(http::Request::from_parts(head, box_body(body))).await {
            Ok(answer) => answer.map(box_body),
            Err(error) => {
                eprintln!("the handler did not answer: {error}");
                whole(Problem::unavailable("the handler behind did not answer").into_response())
            }
        }
    }

    fn setting(name: &str) -> Option<String> {
        store::get(name).ok().flatten()
    }

    fn verify(presentation: &str, nonce: &str, settings: &Settings, now: u64) -> Result<Believed, Refused> {
        let expectation = Expectation {
            issuer: settings.issuer.clone(),
            audience: settings.world.clone(),
            nonce: nonce.to_owned(),
            now,
        };
        match verifier::verify(presentation, &settings.keys, &expectation) {
            Ok(passport) => Ok(Believed {
                subject: passport.subject,
                presentation: passport.presentation,
                claims: passport.claims,
            }),
            Err(refusal) => Err(Refused { reason: refusal.reason, detail: refusal.detail }),
        }
    }

    fn whole(answer: http::Response<Vec<u8>>) -> Response<BoxBody> {
        answer.map(|body| box_body(Full::new(body.into())))
    }
}
