//! A small server for guests to reach.

use bytes::Bytes;
use futures::StreamExt;
use http::{Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use tokio::net::TcpListener;

type Body = BoxBody<Bytes, hyper::Error>;

/// Serves until the test ends. Returns the address.
pub(crate) async fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(|request| async { Ok::<_, Infallible>(answer(request).await) });
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    address
}

/// An address that nobody listens at.
pub(crate) async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("an address")
}

async fn answer(request: Request<Incoming>) -> Response<Body> {
    match request.uri().path() {
        "/hello" => whole("hello"),
        "/echo" => Response::new(request.into_body().boxed()),
        "/head" => whole(format!("{} {} {:?}", request.method(), request.uri(), request.headers())),
        "/redirect" => {
            let mut response = whole("elsewhere");
            *response.status_mut() = StatusCode::FOUND;
            response.headers_mut().insert(header::LOCATION, header::HeaderValue::from_static("/hello"));
            response
        }
        "/never" => std::future::pending().await,
        "/stall" => {
            let first = futures::stream::iter([Ok(Frame::data(Bytes::from_static(b"begun")))]);
            Response::new(BodyExt::boxed(StreamBody::new(first.chain(futures::stream::pending()))))
        }
        _ => {
            let mut response = whole("no such path");
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
}

fn whole(text: impl Into<Bytes>) -> Response<Body> {
    Response::new(Full::new(text.into()).map_err(|never| match never {}).boxed())
}
