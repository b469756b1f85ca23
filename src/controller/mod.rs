//! The loop: a pure core that decides, and a thin driver that performs.
//!
//! [`core`]: `handle(event, now) -> effects`; [`driver`]: performs effects and feeds results back; [`progress`]: counts for people.

pub mod progress;
