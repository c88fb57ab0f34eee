//! What the storage adapters share: the exports of `vwp:storage` over a store in SQL, the
//! machine that is composed in, and the host's time and randomness.
//!
//! An adapter implements [`Adapter`] and calls [`export!`]. What the world looks like is
//! in `wit/world.wit` here. The interface `types` is exported too, and not imported:
//! Spin composes a dependency by the name of a package, and then asks it for each
//! interface of that package which the dependent imports.
//!
//! Empty for other targets than WebAssembly: there is no host to bind to.
#![cfg(target_family = "wasm")]

/// The generated bindings, which [`export!`] names.
pub mod bindings {
    #![allow(missing_docs, unsafe_code, clippy::pedantic, reason = "generated")]
    wit_bindgen::generate!({
        path: ["../../wit/deps/wasi-clocks@0.3.0", "../../wit/storage", "wit"],
        world: "vwp:storage-adapter/adapter",
        generate_all,
        pub_export_macro: true,
        default_bindings_module: "vwp_storage_adapter::bindings",
    });
}

mod convert;
mod exports;
mod host;

pub use bindings::export;
pub use host::{Imported, WasiHost};

use std::rc::Rc;
use vwp_storage_sql::{Database, SqlStore};

/// A store over the database that an adapter is for.
pub type Store<D> = SqlStore<D, WasiHost, Imported>;

/// What an adapter supplies.
pub trait Adapter {
    /// The database that the host offers.
    type Database: Database + 'static;

    /// The store of this instance, which all of its calls share.
    fn store() -> Rc<Store<Self::Database>>;
}

/// The component that an adapter exports.
pub struct Component<A>(std::marker::PhantomData<A>);
