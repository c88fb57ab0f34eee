//! The password hasher as a component. It imports nothing, not even WASI; its memory has a
//! maximum (build.rs); and its functions are synchronous, so an instance hashes one password at a
//! time, whoever calls it.
//!
//! A crate of its own, and built by a cargo invocation of its own, because it brings a
//! panic handler and an allocator, of which a program has only one.
//!
//! Empty for other targets than WebAssembly.
#![cfg(target_family = "wasm")]
#![no_std]
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    reason = "wit-bindgen generates the canonical ABI's entry points, which take raw pointers"
)]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;
use core::alloc::Layout;
use core::cell::RefCell;
use exports::vwp::auth::password_hasher::{Fault, Guest, Verdict};
use vwp_password::Argon2id;

wit_bindgen::generate!({
    path: "../../../wit/auth",
    world: "password",
});

/// The allocator that std itself uses on wasm; it asks for nothing but memory.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// A defect of ours stops the instance.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

// Comparing memory is a call to C's `memcmp`, which std would have brought. Only that
// function is taken from the library, and it asks the host for nothing.
#[link(name = "c")]
unsafe extern "C" {}

/// The canonical ABI's `realloc`, through which the host hands arguments in. On WASI
/// targets wit-bindgen leaves it to the C library, whose allocator is not ours.
///
/// # Safety
/// `old` and `old_size` are those of an earlier call with the same `align`, or zero.
#[unsafe(no_mangle)]
unsafe extern "C" fn cabi_realloc(old: *mut u8, old_size: usize, align: usize, size: usize) -> *mut u8 {
    let Ok(layout) = Layout::from_size_align(if old_size == 0 { size } else { old_size }, align) else {
        core::arch::wasm32::unreachable()
    };
    if layout.size() == 0 {
        return core::ptr::without_provenance_mut(align);
    }
    // SAFETY: the layout has a size, and is the one of `old` if there is an `old`.
    let new = unsafe {
        if old_size == 0 { alloc::alloc::alloc(layout) } else { alloc::alloc::realloc(old, layout, size) }
    };
    if new.is_null() { core::arch::wasm32::unreachable() } else { new }
}

struct Single(RefCell<Option<Argon2id>>);

// SAFETY: the component is built without threads, so nothing is ever shared.
unsafe impl Sync for Single {}

static HASHER: Single = Single(RefCell::new(None));

fn with<T>(action: impl FnOnce(&mut Argon2id) -> T) -> T {
    action(HASHER.0.borrow_mut().get_or_insert_with(Argon2id::default))
}

struct Component;

impl Guest for Component {
    fn hash(password: String, salt: Vec<u8>) -> Result<String, Fault> {
        let salt = salt.as_slice().try_into().map_err(|_| Fault::Unusable)?;
        with(|hasher| hasher.hash(&password, salt)).map_err(|_| Fault::Unusable)
    }

    fn verify(password: String, phc: Option<String>) -> Result<Verdict, Fault> {
        match with(|hasher| hasher.verify(&password, phc.as_deref())) {
            Ok(vwp_password::Verdict::Wrong) => Ok(Verdict::Wrong),
            Ok(vwp_password::Verdict::Right { outdated: false }) => Ok(Verdict::Right),
            Ok(vwp_password::Verdict::Right { outdated: true }) => Ok(Verdict::Outdated),
            Err(vwp_password::Fault) => Err(Fault::Unusable),
        }
    }
}

export!(Component);
