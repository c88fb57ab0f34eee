//! The middleware as a component: it passes requests and answers on as `vwp-compress` decides. It imports
//! nothing but HTTP.
//!
//! Empty for other targets than WebAssembly.
#![cfg(target_family = "wasm")]

use vwp_compress::gzip::{Broken, Gzip};
use vwp_compress::policy::{Asked, Treatment};
use vwp_middleware::bindings::wasi::http::handler;
use vwp_middleware::bindings::wasi::http::types::{ErrorCode, Request, Response};
use vwp_middleware::message::{self, Body, BodyWriter};

mod export {
    #![allow(unsafe_code, reason = "the macro generates it")]
    use vwp_middleware::bindings::exports::wasi::http::handler::Guest;
    use vwp_middleware::bindings::wasi::http::types::{ErrorCode, Request, Response};

    struct Compress;
    vwp_middleware::bindings::export!(Compress);

    impl Guest for Compress {
        async fn handle(request: Request) -> Result<Response, ErrorCode> {
            crate::handle(request).await
        }
    }
}

async fn handle(request: Request) -> Result<Response, ErrorCode> {
    let asked = Asked::of(message::name(&request.get_method()), &request.get_headers().copy_all());
    let answer = handler::handle(request).await?;
    let status = answer.get_status_code();
    let mut fields = answer.get_headers().copy_all();
    match asked.answered(status, &mut fields) {
        Treatment::Pass => Ok(answer),
        Treatment::Describe => message::answer(status, &fields, Body::of_answer(answer)),
        Treatment::Compress => {
            let (writer, compressed) = Body::channel();
            wit_bindgen::spawn(compress(Body::of_answer(answer), writer));
            message::answer(status, &fields, compressed)
        }
    }
}

/// Compresses a body part by part. What breaks off does so compressed, too: it has no end, so that nobody
/// takes it for whole.
async fn compress(mut from: Body, mut to: BodyWriter) {
    let mut gzip = Gzip::default();
    let mut is_last = false;
    while !is_last {
        let part = from.read(async || flush(&mut gzip, &mut to).await).await;
        is_last = part.is_last;
        if !send(gzip.write(&part.bytes), &mut to).await {
            return;
        }
    }
    let end = from.end.await;
    if end.is_err() || send(gzip.finish(), &mut to).await {
        to.finish(end).await;
    }
}

/// Sends what was taken until now. Whether anybody still reads shows with the next part.
async fn flush(gzip: &mut Gzip, to: &mut BodyWriter) {
    send(gzip.flush(), to).await;
}

/// Sends compressed bytes; whether there is anything to be done after them.
async fn send(compressed: Result<Vec<u8>, Broken>, to: &mut BodyWriter) -> bool {
    match compressed {
        Ok(bytes) => to.write(bytes).await,
        Err(Broken) => false,
    }
}
