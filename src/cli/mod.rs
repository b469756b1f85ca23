//! Human in, human out.
