//! Forecast: calls, batches and time that a plan will take.
