//! Work that is done where no machine is at hand: in the hashes of keys, in arithmetic, in regular expressions. It is
//! noted here, and the machine pays for it with its next step.

use std::cell::Cell;

/// One operation stops short beyond this, with an answer that does not matter any more: the machine stops, too.
pub(crate) const STEPS_MAX: u64 = 1 << 24;

thread_local! {
    static STEPS: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<u64> = const { Cell::new(0) };
}

/// Notes work.
pub(crate) fn steps(steps: u64) {
    STEPS.set(STEPS.get().saturating_add(steps));
}

/// Notes arithmetic with two numbers of so many bits: it goes through each pair of their digits.
pub(crate) fn digits(one: u64, other: u64) {
    let (one, other) = (one / 64, other / 64);
    if one + other > 2 {
        steps((one + 1).saturating_mul(other + 1) / 4);
    }
}

/// Notes memory.
pub(crate) fn bytes(bytes: u64) {
    BYTES.set(BYTES.get().saturating_add(bytes));
}

/// Whether so much is noted that it is no use to go on.
pub(crate) fn is_lost() -> bool {
    STEPS.get() >= STEPS_MAX
}

/// Whether anything is noted.
pub(crate) fn is_open() -> bool {
    STEPS.get() | BYTES.get() != 0
}

/// Steps and bytes since the last time.
pub(crate) fn take() -> (u64, u64) {
    (STEPS.take(), BYTES.take())
}
