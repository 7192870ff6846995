//! The memory of a component (feature `allocator`). An event takes a few small pieces and gives them back soon: they come from lists, one for
//! each size, in a few instructions. What is larger comes from the C library, which looks for room among all that is free.
//!
//! A piece that was given back stays in its list. What lists hold is thus at most what was in use of each size at one
//! time; and the engine replaces an instance that has grown.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr;

/// Sizes are multiples of this, and pieces lie at multiples of it.
const STEP: usize = 16;
/// The largest size that has a list.
const SMALL_MAX: usize = 512;
/// Pieces are cut from as much at a time.
const CHUNK: usize = 16 << 10;

/// A piece that nobody has.
struct Free {
    next: *mut Free,
}

struct Lists {
    of_size: [*mut Free; SMALL_MAX / STEP],
    /// What is left of the last chunk.
    rest: *mut u8,
    left: usize,
}

/// What gives and takes pieces.
pub(crate) struct Memory(UnsafeCell<Lists>);

// SAFETY: a component has one thread. Elsewhere it is no static.
#[cfg(target_arch = "wasm32")]
unsafe impl Sync for Memory {}

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static MEMORY: Memory = Memory::new();

impl Memory {
    const fn new() -> Self {
        let of_size = [ptr::null_mut(); SMALL_MAX / STEP];
        Self(UnsafeCell::new(Lists { of_size, rest: ptr::null_mut(), left: 0 }))
    }
}

/// The list of a layout, if it has one.
#[inline]
fn list(layout: Layout) -> Option<usize> {
    (layout.size() <= SMALL_MAX && layout.align() <= STEP).then(|| (layout.size().max(1) - 1) / STEP)
}

impl Lists {
    #[cold]
    #[inline(never)]
    fn cut(&mut self, list: usize) -> *mut u8 {
        let size = (list + 1) * STEP;
        if self.left < size {
            // SAFETY: the layout is none of no bytes.
            let chunk = unsafe { System.alloc(Layout::from_size_align_unchecked(CHUNK, STEP)) };
            if chunk.is_null() {
                return chunk;
            }
            (self.rest, self.left) = (chunk, CHUNK);
        }
        let piece = self.rest;
        self.left -= size;
        // SAFETY: that many bytes were left.
        self.rest = unsafe { piece.add(size) };
        piece
    }
}

// SAFETY: a piece is of its list's size, which is the layout's or more, and is in nobody's hands while it is in the list.
unsafe impl GlobalAlloc for Memory {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those that it asks for.
        let Some(list) = list(layout) else { return unsafe { System.alloc(layout) } };
        // SAFETY: nothing else looks at the lists while this function does.
        let lists = unsafe { &mut *self.0.get() };
        let piece = lists.of_size[list];
        if piece.is_null() {
            return lists.cut(list);
        }
        // SAFETY: what is in a list was written when it was given back.
        lists.of_size[list] = unsafe { (*piece).next };
        piece.cast()
    }

    #[inline]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: without a list, it came from there.
        let Some(list) = list(layout) else { return unsafe { System.dealloc(pointer, layout) } };
        // SAFETY: nothing else looks at the lists while this function does.
        let lists = unsafe { &mut *self.0.get() };
        let piece: *mut Free = pointer.cast();
        // SAFETY: the piece is nobody's any more, and as large and aligned as what is written.
        unsafe { (*piece).next = lists.of_size[list] };
        lists.of_size[list] = piece;
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the size, rounded up, is one.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (list(layout), list(new)) {
            // SAFETY: without a list, it came from there.
            (None, None) => unsafe { System.realloc(pointer, layout, size) },
            (old, new) if old == new => pointer,
            _ => {
                // SAFETY: the caller promises that the size is not 0.
                let moved = unsafe { self.alloc(new) };
                if !moved.is_null() {
                    // SAFETY: both are as large, and the old one is not used any more.
                    unsafe {
                        ptr::copy_nonoverlapping(pointer, moved, layout.size().min(size));
                        self.dealloc(pointer, layout);
                    }
                }
                moved
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A piece, and the byte that it was filled with.
    struct Held {
        pointer: *mut u8,
        layout: Layout,
        filled: u8,
    }

    impl Held {
        fn check(&self, bytes: usize) {
            // SAFETY: it is held, and was filled.
            let bytes = unsafe { std::slice::from_raw_parts(self.pointer, bytes.min(self.layout.size())) };
            assert!(bytes.iter().all(|byte| *byte == self.filled), "{:?}", self.layout);
        }
    }

    fn fill(pointer: *mut u8, layout: Layout, filled: u8) -> Held {
        assert!(!pointer.is_null() && pointer.align_offset(layout.align()) == 0, "{layout:?}");
        // SAFETY: it was given for as many bytes.
        unsafe { pointer.write_bytes(filled, layout.size()) };
        Held { pointer, layout, filled }
    }

    #[test]
    fn pieces_keep_what_is_written_to_them() {
        let (memory, mut held, mut state) = (Memory::new(), Vec::<Held>::new(), 7_u32);
        let mut below = |limit: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize % limit
        };
        for n in 0..100_000_usize {
            let filled = n as u8;
            let size_max = if below(8) == 0 { 3_000 } else { 600 };
            let size = 1 + below(size_max);
            match below(4) {
                0 | 1 => {
                    let layout = Layout::from_size_align(size, 1 << below(7)).unwrap();
                    // SAFETY: of one byte at least.
                    held.push(fill(unsafe { memory.alloc(layout) }, layout, filled));
                }
                _ if held.is_empty() => {}
                2 => {
                    let at = below(held.len());
                    let old = held.swap_remove(at);
                    old.check(usize::MAX);
                    // SAFETY: it came from there, with that layout.
                    unsafe { memory.dealloc(old.pointer, old.layout) };
                }
                _ => {
                    let at = below(held.len());
                    let mut old = held.swap_remove(at);
                    // SAFETY: it came from there, with that layout.
                    old.pointer = unsafe { memory.realloc(old.pointer, old.layout, size) };
                    old.check(size);
                    let layout = Layout::from_size_align(size, old.layout.align()).unwrap();
                    held.push(fill(old.pointer, layout, filled));
                }
            }
        }
        held.iter().for_each(|one| one.check(usize::MAX));
        for one in held {
            // SAFETY: it came from there, with that layout.
            unsafe { memory.dealloc(one.pointer, one.layout) };
        }
    }

    #[test]
    fn what_was_given_back_is_given_again() {
        let memory = Memory::new();
        let layout = Layout::from_size_align(20, 8).unwrap();
        let larger = Layout::from_size_align(32, 16).unwrap();
        // SAFETY: each is given back with a layout of its size's list.
        unsafe {
            let first = memory.alloc(layout);
            assert_eq!(memory.realloc(first, layout, 32), first);
            memory.dealloc(first, larger);
            assert_eq!(memory.alloc(larger), first);
            memory.dealloc(first, larger);
        }
    }
}
