//! Real HTTP.
