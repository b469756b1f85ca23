//! Delays between attempts: exponential, bounded, with jitter that depends on nothing but its inputs.
//!
//! Invariants: the same key, attempt and seed give the same delay. Not here: what is attempted.

use std::time::Duration;

/// Delay before attempt number `attempt` (1 is the first repetition): `first` doubled each time, at most `most`, minus up to a quarter by jitter.
pub fn backoff(first: Duration, most: Duration, attempt: u32, key: &str, seed: u64) -> Duration {
    use backon::BackoffBuilder;
    let mut delays = backon::ExponentialBuilder::default()
        .with_min_delay(first)
        .with_max_delay(most)
        .with_factor(2.0)
        .without_max_times()
        .build();
    let nth = usize::try_from(attempt.clamp(1, 64) - 1).unwrap_or(0);
    let whole = delays.nth(nth).unwrap_or(most);
    let spread = u32::try_from(hash(key, u64::from(attempt), seed) % 256).unwrap_or(0);
    whole - whole / 4 * spread / 256
}

/// A duration within `percent` of `middle`, either way.
pub fn jitter(middle: Duration, percent: u32, key: &str, round: u64, seed: u64) -> Duration {
    let width = middle * percent.min(100) / 100;
    let spread = u32::try_from(hash(key, round, seed) % 1024).unwrap_or(0);
    middle - width + width * 2 * spread / 1024
}

/// FNV-1a over key, number and seed, finished by a mix: stable across runs and machines.
pub fn hash(key: &str, number: u64, seed: u64) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for byte in key.bytes().chain(number.to_le_bytes()) {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    state ^= state >> 32;
    state = state.wrapping_mul(0xd6e8_feb8_6659_fd93);
    state ^ (state >> 29)
}
