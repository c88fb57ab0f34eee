//! Outbound HTTP: a component may reach only the hosts that the manifest allows. The
//! manifest can allow none yet, so every request is refused, with WASI's error for it.

use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

type Transfer = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sending = Box<dyn Future<Output = Result<(http::Response<WasiBody>, Transfer), Error>> + Send>;

/// Refuses every request.
pub(super) struct Denied;

impl WasiHttpHooks for Denied {
    fn send_request(
        &mut self,
        _: http::Request<WasiBody>,
        _: Option<RequestOptions>,
        _: Transfer,
    ) -> Sending {
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}
