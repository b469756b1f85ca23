//! The vendors, simulated.
