//! Contract tests: bodies, answers and journeys against a scripted transport.
