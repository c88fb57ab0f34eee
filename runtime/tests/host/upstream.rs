//! A small server for guests to reach.

use crate::raw::Raw;
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
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

type Body = BoxBody<Bytes, hyper::Error>;

/// Serves until the test ends. Returns the address.
pub(crate) async fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// The same over TLS, for `localhost`. Returns the port and the certificate that it is to be
/// trusted by.
pub(crate) async fn start_tls() -> (u16, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a configuration");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let accepting = acceptor.accept(stream);
            tokio::spawn(async move {
                // A client that does not trust the certificate ends the handshake.
                if let Ok(stream) = accepting.await {
                    serve(stream).await;
                }
            });
        }
    });
    (port, made.cert.pem())
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin) {
    let service = service_fn(|request| async { Ok::<_, Infallible>(answer(request).await) });
    // A client that goes away is no event.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// A server that answers one request in each connection, keeps the connection, and ends it when the
/// next request has come.
pub(crate) async fn start_forgetful() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut client = Raw::over(stream);
                if client.request().await.is_some() {
                    client.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await;
                    client.request().await;
                }
            });
        }
    });
    address
}

/// Serves at an address that was free.
pub(crate) async fn start_at(address: SocketAddr) {
    let listener = TcpListener::bind(address).await.expect("a port that is free again");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
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
