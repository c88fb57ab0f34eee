//! Serves what the port's HTTP API is: the OpenAPI document for programs, and a page for people. Both are
//! made by `vwp-openapi` and committed below `openapi/`; this component has them in itself, and reads
//! nothing.
//!
//! What it answers is in [`files`], natively tested. It imports nothing but HTTP.

pub mod files;

#[cfg(target_family = "wasm")]
mod bindings {
    #![allow(missing_docs, unsafe_code, unreachable_pub, clippy::pedantic, reason = "generated")]
    wit_bindgen::generate!({
        path: [
            "../../../wit/deps/wasi-clocks@0.3.0",
            "../../../wit/deps/wasi-random@0.3.0",
            "../../../wit/deps/wasi-filesystem@0.3.0",
            "../../../wit/deps/wasi-sockets@0.3.0",
            "../../../wit/deps/wasi-cli@0.3.0",
            "../../../wit/deps/wasi-http@0.3.0",
        ],
        inline: "
            package vwp:openapi@0.1.0;
            world openapi {
                export wasi:http/handler@0.3.0;
            }
        ",
        world: "vwp:openapi/openapi",
        generate_all,
    });

    use wasi::http::types::{ErrorCode, Fields, Method, Request, Response};

    struct Openapi;
    export!(Openapi);

    impl exports::wasi::http::handler::Guest for Openapi {
        async fn handle(request: Request) -> Result<Response, ErrorCode> {
            let method = match request.get_method() {
                Method::Get => http::Method::GET,
                Method::Head => http::Method::HEAD,
                // Any other one is refused, whichever it is.
                _ => http::Method::OPTIONS,
            };
            let target = request.get_path_with_query().unwrap_or_default();
            let known = request.get_headers().get("if-none-match");
            write(crate::files::answer(&method, &target, &known))
        }
    }

    /// Gives an answer to the host.
    fn write(answer: http::Response<Vec<u8>>) -> Result<Response, ErrorCode> {
        let (parts, body) = answer.into_parts();
        let field = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            (name.as_str().to_owned(), value.as_bytes().to_owned())
        };
        let mut fields: Vec<_> = parts.headers.iter().map(field).collect();
        let contents = (!body.is_empty()).then(|| {
            fields.push(("content-length".to_owned(), body.len().to_string().into_bytes()));
            let (mut writer, contents) = wit_stream::new();
            // Whoever does not read it all has gone away.
            wit_bindgen::spawn(async move { drop(writer.write_all(body).await) });
            contents
        });
        // They were written here, so that only a host that takes none can refuse them.
        let fields =
            Fields::from_list(&fields).map_err(|_| ErrorCode::HttpResponseHeaderSectionSize(None))?;
        // What a writer was made with is written when it is dropped.
        let (answer, _) = Response::new(fields, contents, wit_future::new(|| Ok(None)).1);
        let _ = answer.set_status_code(parts.status.as_u16());
        Ok(answer)
    }
}
