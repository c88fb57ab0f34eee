//! The middleware as a component: it passes requests and answers on as `vwp-caching` decides. It imports
//! nothing but HTTP, and `wasi:config/store` for its settings.
//!
//! Empty for other targets than WebAssembly.
#![cfg(target_family = "wasm")]

use std::sync::OnceLock;
use vwp_caching::policy::{Asked, Treatment};
use vwp_caching::settings::Settings;
use vwp_caching::tag;
use vwp_core::Problem;
use vwp_middleware::bindings::wasi::http::handler;
use vwp_middleware::bindings::wasi::http::types::{ErrorCode, Request, Response};
use vwp_middleware::message::{self, Body, BodyWriter, End, Part};
use vwp_middleware::{Fields, settings};

mod export {
    #![allow(unsafe_code, reason = "the macro generates it")]
    use vwp_middleware::bindings::exports::wasi::http::handler::Guest;
    use vwp_middleware::bindings::wasi::http::types::{ErrorCode, Request, Response};

    struct Caching;
    vwp_middleware::bindings::export!(Caching);

    impl Guest for Caching {
        async fn handle(request: Request) -> Result<Response, ErrorCode> {
            crate::handle(request).await
        }
    }
}

/// The settings, read once: an instance has them for as long as it lives.
fn settings() -> &'static Result<Settings, String> {
    static SETTINGS: OnceLock<Result<Settings, String>> = OnceLock::new();
    SETTINGS.get_or_init(|| Settings::read(settings::get))
}

async fn handle(request: Request) -> Result<Response, ErrorCode> {
    let settings = match settings() {
        Ok(settings) => settings,
        Err(fault) => {
            eprintln!("{fault}");
            return message::whole(Problem::internal().into_response(), |_| ());
        }
    };
    let method = request.get_method();
    let target = request.get_path_with_query().unwrap_or_default();
    let fields = request.get_headers().copy_all();
    let Some(asked) = Asked::of(settings, message::name(&method), &target, &fields) else {
        return handler::handle(request).await;
    };
    let answer = handler::handle(request).await?;
    let (status, fields) = (answer.get_status_code(), answer.get_headers().copy_all());
    match asked.held_bytes_max(status, &fields) {
        Some(held_max) => {
            let body = Body::of_answer(answer);
            held(&asked, status, fields, body, held_max).await
        }
        None => send(&asked, status, fields, None, || Body::of_answer(answer)),
    }
}

/// Sends an answer once its tag is known, or it is known that it is too long for one.
async fn held(
    asked: &Asked<'_>,
    status: u16,
    fields: Fields,
    mut body: Body,
    held_max: usize,
) -> Result<Response, ErrorCode> {
    let (mut content, mut is_whole) = (Vec::new(), false);
    while !is_whole && content.len() <= held_max {
        let Part { mut bytes, is_last } = body.read(async || ()).await;
        content.append(&mut bytes);
        is_whole = is_last;
    }
    if is_whole && content.len() <= held_max {
        let Body { contents, end } = body;
        drop(contents);
        return match end.await {
            Ok(trailers) => {
                let tag = tag::of(&fields, &content);
                send(asked, status, fields, Some(&tag), || again(content, Ok(trailers)))
            }
            // What broke off has no tag, and nothing of it was sent yet.
            Err(error) => Err(error),
        };
    }
    send(asked, status, fields, None, || resumed(content, body))
}

/// Sends an answer, or what is sent in its stead.
fn send(
    asked: &Asked<'_>,
    status: u16,
    mut fields: Fields,
    tag: Option<&str>,
    body: impl FnOnce() -> Body,
) -> Result<Response, ErrorCode> {
    match asked.answered(status, &mut fields, tag) {
        Treatment::Send => message::answer(status, &fields, body()),
        Treatment::Instead(instead) => message::whole(instead, |own| own.append(&mut fields)),
    }
}

/// A body of bytes that are here.
fn again(content: Vec<u8>, end: End) -> Body {
    let (mut writer, body) = Body::channel();
    wit_bindgen::spawn(async move {
        if writer.write(content).await {
            writer.finish(end).await;
        }
    });
    body
}

/// A body that begins with bytes that are here.
fn resumed(content: Vec<u8>, rest: Body) -> Body {
    let (mut writer, body) = Body::channel();
    wit_bindgen::spawn(async move {
        if writer.write(content).await {
            pass(rest, writer).await;
        }
    });
    body
}

/// Passes on what is left of a body.
async fn pass(mut from: Body, mut to: BodyWriter) {
    let mut is_last = false;
    while !is_last {
        let part = from.read(async || ()).await;
        is_last = part.is_last;
        if !to.write(part.bytes).await {
            return;
        }
    }
    to.finish(from.end.await).await;
}
