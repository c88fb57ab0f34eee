//! The ledger as a component: its exports, and what a program without std needs. It
//! imports nothing, not even WASI.
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

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::alloc::Layout;
use core::cell::RefCell;
use vwp_ledger::Ledger;

// Not `vwp:storage/machine` itself: there the interface `types`, which `state-machine`
// takes a type from, would be imported. Exporting it too leaves nothing to import.
wit_bindgen::generate!({
    path: "../../../wit/storage",
    inline: "
        package vwp:ledger@0.1.0;
        world ledger {
            export vwp:storage/types@0.1.0;
            export vwp:storage/state-machine@0.1.0;
        }
    ",
    world: "vwp:ledger/ledger",
});

/// The allocator that std itself uses on wasm; it asks for nothing but memory.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// A defect of ours stops the instance; the host rebuilds it from the log.
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

struct Single(RefCell<Option<Ledger>>);

// SAFETY: the component is built without threads, so nothing is ever shared.
unsafe impl Sync for Single {}

static LEDGER: Single = Single(RefCell::new(None));

fn with<T>(action: impl FnOnce(&mut Ledger) -> T) -> T {
    action(LEDGER.0.borrow_mut().get_or_insert_with(Ledger::default))
}

struct Component;

impl exports::vwp::storage::state_machine::Guest for Component {
    fn apply(position: u64, time: u64, commands: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        with(|ledger| ledger.apply(position, time, &commands))
    }

    fn query(query: Vec<u8>) -> Vec<u8> {
        with(|ledger| ledger.query(&query))
    }

    fn checkpoint(offset: u64, length: u32) -> Vec<u8> {
        with(|ledger| ledger.checkpoint(offset, length))
    }

    fn restore(part: Vec<u8>) -> Result<(), String> {
        with(|ledger| ledger.restore(&part)).map_err(|error| error.to_string())
    }
}

export!(Component);
