//! Chance as the log sees it: it needs some once, for the identity of a new log.

use std::fmt::Debug;

/// Gives random numbers.
pub trait Entropy: Debug + Send + Sync {
    /// 128 random bits.
    fn random(&self) -> u128;
}

/// Chance from the operating system.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn random(&self) -> u128 {
        rand::random()
    }
}
