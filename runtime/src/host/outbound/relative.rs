//! Requests without a host mean the application itself, as in Spin. Wasmtime refuses
//! them before it asks a host, so they are given the host that stands for it.
//!
//! The two functions that send requests are linked here by hand, because Wasmtime's
//! bindings would want the whole of `wasi:http/types` implemented with them.

use crate::host::State;
use http::uri::{Authority, Scheme};
use wasmtime::StoreContextMut;
use wasmtime::component::{Accessor, Linker, Resource};
use wasmtime_wasi_http::p2::bindings::http::{outgoing_handler, types as p2};
use wasmtime_wasi_http::p2::types::{HostFutureIncomingResponse, HostOutgoingRequest};
use wasmtime_wasi_http::p3::bindings::http::{client, types as p3};
use wasmtime_wasi_http::p3::{Request, Response};
use wasmtime_wasi_http::{RequestOptions, WasiHttp, WasiHttpView};

/// The host that stands for the application itself; see [`crate::hosts::is_self`].
const OWN: &str = "self.alt";

/// Offers the interfaces that send requests.
pub(in crate::host) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.instance("wasi:http/outgoing-handler@0.2.6")?.func_wrap("handle", handle)?;
    linker
        .instance("wasi:http/client@0.3.0")?
        .func_wrap_concurrent("send", |accessor, (request,)| Box::pin(send(accessor, request)))
}

type Handled = Result<Resource<HostFutureIncomingResponse>, p2::ErrorCode>;

fn handle(
    mut store: StoreContextMut<'_, State>,
    (request, options): (Resource<HostOutgoingRequest>, Option<Resource<RequestOptions>>),
) -> wasmtime::Result<(Handled,)> {
    let mut view = store.data_mut().http();
    let outgoing = view.table.get_mut(&request)?;
    if outgoing.authority.as_deref().is_none_or(str::is_empty) {
        outgoing.authority = Some(OWN.to_owned());
        outgoing.scheme = Some(p2::Scheme::Http);
    }
    match outgoing_handler::Host::handle(&mut view, request, options) {
        Ok(response) => Ok((Ok(response),)),
        Err(error) => Ok((Err(error.downcast()?),)),
    }
}

type Sent = Result<Resource<Response>, p3::ErrorCode>;

async fn send(accessor: &Accessor<State>, request: Resource<Request>) -> wasmtime::Result<(Sent,)> {
    accessor.with(|mut access| -> wasmtime::Result<()> {
        let outgoing = access.data_mut().http().table.get_mut(&request)?;
        if outgoing.authority.is_none() {
            outgoing.authority = Some(Authority::from_static(OWN));
            outgoing.scheme = Some(Scheme::HTTP);
        }
        Ok(())
    })?;
    let accessor = accessor.with_getter::<WasiHttp>(State::http);
    match <WasiHttp as client::HostWithStore<State>>::send(&accessor, request).await {
        Ok(response) => Ok((Ok(response),)),
        Err(error) => Ok((Err(error.downcast()?),)),
    }
}
