//! What a component without std needs: an allocator, an end for panics, the canonical ABI's `realloc`,
//! and a place for its state. A component of this and of crates without std imports nothing, not even
//! WASI.
//!
//! It is built by cargo invocations without the components that link std, since a program has only one
//! allocator and one panic handler.
//!
//! Empty for other targets than WebAssembly.
#![cfg(target_family = "wasm")]
#![no_std]
#![allow(unsafe_code, reason = "allocating, and state without std, take raw pointers and promises")]

extern crate alloc;

use core::alloc::Layout;
use core::cell::RefCell;

/// The allocator that std itself uses on wasm; it asks for nothing but memory.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// A defect of ours stops the instance, and the host makes a new one.
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
pub unsafe extern "C" fn cabi_realloc(old: *mut u8, old_size: usize, align: usize, size: usize) -> *mut u8 {
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

/// What a component keeps between calls: made by the first one.
#[derive(Debug)]
pub struct State<T>(RefCell<Option<T>>);

// SAFETY: the component is built without threads, so nothing is ever shared.
unsafe impl<T> Sync for State<T> {}

impl<T: Default> State<T> {
    /// A state that no call has used.
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }

    /// Runs a call on the state.
    pub fn with<R>(&self, call: impl FnOnce(&mut T) -> R) -> R {
        call(self.0.borrow_mut().get_or_insert_with(T::default))
    }
}

impl<T: Default> Default for State<T> {
    fn default() -> Self {
        Self::new()
    }
}
