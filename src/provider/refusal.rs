//! What an adapter says when nothing can be sent: refusals and our own mistakes, in words fit to be shown.
//!
//! Invariants: nothing was sent, so nothing was accepted; messages are one line without control characters, at most 300 characters. Not here: what vendors
//! answer (each adapter's own).

use super::{Accepted, CallError, ErrorKind};

/// Characters of a message that are kept.
pub const MESSAGE: usize = 300;

/// Something that cannot be sent, found before anything was sent.
pub fn refused(message: impl std::fmt::Display) -> CallError {
    CallError {
        kind: ErrorKind::Refused,
        accepted: Accepted::No,
        code: None,
        message: cleaned(&message.to_string(), MESSAGE),
        retry_at: None,
        phones: Vec::new(),
    }
}

/// Our own mistake, found before anything was sent.
pub fn our_bug(message: impl std::fmt::Display) -> CallError {
    refused(format!("this is a bug of phonefleet: {message}"))
}

/// One line without control or direction characters, at most `most` characters.
pub fn cleaned(text: &str, most: usize) -> String {
    let mut line = String::new();
    let mut count = 0;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        let gap = usize::from(!line.is_empty());
        for c in std::iter::repeat_n(' ', gap).chain(word.chars()) {
            if matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            {
                continue;
            }
            if count == most {
                return line;
            }
            line.push(c);
            count += 1;
        }
    }
    line
}
