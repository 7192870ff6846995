//! Bounds on time, memory and stack, whose breach is a finding.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::hostile::{Meter, STACK_BYTES};

/// Time of the processor that any one run may take. The limits of the targets are reached within a few hundredths.
const SECONDS_MAX: f64 = 1.0;

/// What a run may hold beside what its limit says, for what is never counted.
const BYTES_BASE: usize = 2 << 20;

/// How far a run may be over its limit, which counts values roughly.
const BYTES_TIMES: usize = 8;

/// What may stay: tables that are made once.
const LEFT_MAX: usize = 64 << 10;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, counted.
struct Counted;

// SAFETY: all is passed on as it is.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        MOST.fetch_max(HELD.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTED: Counted = Counted;

/// Asserts the bounds.
pub struct Bounds;

impl Meter for Bounds {
    fn measured<T>(&mut self, bytes: u64, work: impl FnOnce() -> T) -> T {
        let (before, begun) = (HELD.load(Relaxed), seconds());
        MOST.store(before, Relaxed);
        let done = work();
        let (most, took) = (MOST.load(Relaxed).saturating_sub(before), seconds() - begun);
        assert!(took < SECONDS_MAX, "took {took:.2} s");
        assert!(most <= BYTES_BASE + BYTES_TIMES * bytes as usize, "held {most} bytes, limit {bytes}");
        done
    }
}

/// Runs a target on a stack like that of the sandbox. Frames of code that counts its branches are larger.
pub fn run(target: impl FnOnce() + Send) {
    let before = HELD.load(Relaxed);
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(2 * STACK_BYTES).spawn_scoped(scope, target);
        thread.expect("a thread").join().expect("panics abort before");
    });
    let left = HELD.load(Relaxed).saturating_sub(before);
    assert!(left <= LEFT_MAX, "left {left} bytes behind");
}

/// Time that this thread had the processor.
fn seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
