//! Counts the allocations of each thread, exactly.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// What this thread has allocated so far.
#[derive(Clone, Copy)]
pub struct Count {
    pub allocations: u64,
    pub bytes: u64,
    /// Bytes allocated less bytes freed.
    pub live: i64,
}

const NONE: Count = Count { allocations: 0, bytes: 0, live: 0 };

// Per thread and without a destructor: a shared counter would cost each row more, the more it allocates.
thread_local! {
    static COUNT: Cell<Count> = const { Cell::new(NONE) };
}

/// The counts of this thread.
pub fn count() -> Count {
    COUNT.get()
}

fn add(allocations: u64, bytes: usize, freed: usize) {
    let mut count = COUNT.get();
    count.allocations += allocations;
    count.bytes += bytes as u64;
    count.live += bytes as i64 - freed as i64;
    COUNT.set(count);
}

/// The system's allocator with a count.
pub struct Counting;

// SAFETY: every call is handed on unchanged to the system's allocator; counting touches no memory of the caller.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(1, layout.size(), 0);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(1, layout.size(), 0);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        add(0, 0, layout.size());
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(1, size, layout.size());
        unsafe { System.realloc(pointer, layout, size) }
    }
}
