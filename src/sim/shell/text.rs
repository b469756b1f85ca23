//! Commands that print and filter text.
//!
//! Invariants: patterns are literal but for `^` at the beginning and `$` at the end. Not here: Android.

use super::Answer;

pub(super) fn echo(words: &[&str], answer: &mut Answer) {
    match words {
        ["-n", words @ ..] => answer.text.push_str(&words.join(" ")),
        words => answer.line(&words.join(" ")),
    }
}

pub(super) fn printf(format: &str, words: &[&str], answer: &mut Answer) {
    let mut words = words.iter();
    let mut rest = format.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '%' if rest.next_if_eq(&'s').is_some() => {
                answer.text.push_str(words.next().unwrap_or(&""));
            }
            '\\' if rest.next_if_eq(&'n').is_some() => answer.text.push('\n'),
            other => answer.text.push(other),
        }
    }
}

/// `grep [-qviEF] [-m COUNT] [-e] PATTERN`, on standard input.
pub(super) fn grep(words: &[&str], input: &str, answer: &mut Answer) {
    let (mut quiet, mut inverted, mut any_case, mut most) = (false, false, false, usize::MAX);
    let mut pattern = None;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "-m" => most = words.next().and_then(|n| n.parse().ok()).unwrap_or(0),
            "-e" => {}
            options if options.len() > 1 && options.starts_with('-') && pattern.is_none() => {
                for option in options.chars().skip(1) {
                    match option {
                        'q' => quiet = true,
                        'v' => inverted = true,
                        'i' => any_case = true,
                        'E' | 'F' => {}
                        other => {
                            answer.fail(2, &format!("grep: Unknown option '{other}'"));
                            return;
                        }
                    }
                }
            }
            text if pattern.is_none() => pattern = Some(text),
            file => {
                answer.fail(2, &format!("grep: {file}: No such file or directory"));
                return;
            }
        }
    }
    let Some(pattern) = pattern else {
        answer.fail(2, "grep: no REGEX");
        return;
    };
    let matches = |line: &str| match any_case {
        true => fits(&pattern.to_lowercase(), &line.to_lowercase()),
        false => fits(pattern, line),
    };
    let mut found = false;
    for line in input
        .lines()
        .filter(|line| matches(line) != inverted)
        .take(most)
    {
        found = true;
        if !quiet {
            answer.line(line);
        }
    }
    answer.status = u8::from(!found);
}

fn fits(pattern: &str, line: &str) -> bool {
    let start = pattern.strip_prefix('^');
    let pattern = start.unwrap_or(pattern);
    let end = pattern.strip_suffix('$');
    let pattern = end.unwrap_or(pattern);
    match (start.is_some(), end.is_some()) {
        (true, true) => line == pattern,
        (true, false) => line.starts_with(pattern),
        (false, true) => line.ends_with(pattern),
        (false, false) => line.contains(pattern),
    }
}

/// `head` and `tail`, `-n COUNT`, `-COUNT` or ten lines, of standard input.
pub(super) fn ends(words: &[&str], input: &str, answer: &mut Answer, first: bool) {
    let count = match words {
        [] => Some(10),
        ["-n", count] => count.parse().ok(),
        [count] => count.strip_prefix('-').and_then(|count| count.parse().ok()),
        _ => None,
    };
    let Some(count) = count else {
        answer.fail(1, "head: bad arguments");
        return;
    };
    let lines: Vec<&str> = input.lines().collect();
    let from = if first {
        0
    } else {
        lines.len().saturating_sub(count)
    };
    for line in lines.iter().skip(from).take(count) {
        answer.line(line);
    }
}
