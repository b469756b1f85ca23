//! Splits a script into simple commands and their words.
//!
//! Invariants: quotes hold words together and are gone afterwards; `$?` outside single quotes becomes [`STATUS`]. Not here: what the commands do (`android`).

/// Stands for `$?` in a word until the command runs.
pub(super) const STATUS: &str = "\u{1}?\u{1}";

/// How a command hangs on the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Joint {
    /// `;` or a new line.
    Then,
    /// `&&`
    And,
    /// `||`
    Or,
    /// `|`: it reads what the one before prints.
    Pipe,
}

/// One command.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Simple {
    /// How it hangs on the one before.
    pub(super) joint: Joint,
    /// Name and arguments.
    pub(super) words: Vec<String>,
    /// Standard output goes nowhere.
    pub(super) quiet: bool,
    /// Standard error goes nowhere.
    pub(super) mute: bool,
    /// Standard error goes where standard output goes.
    pub(super) joined: bool,
}

/// Splits a script.
///
/// # Errors
/// An open quote, or a construct this shell does not have.
pub(super) fn split(script: &str) -> Result<Vec<Simple>, String> {
    let mut splitter = Splitter {
        rest: script.chars().peekable(),
        commands: Vec::new(),
        current: Splitter::empty(Joint::Then),
        word: None,
    };
    splitter.run()?;
    Ok(splitter.commands)
}

struct Splitter<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    commands: Vec<Simple>,
    current: Simple,
    word: Option<String>,
}

impl Splitter<'_> {
    fn empty(joint: Joint) -> Simple {
        Simple {
            joint,
            words: Vec::new(),
            quiet: false,
            mute: false,
            joined: false,
        }
    }

    fn run(&mut self) -> Result<(), String> {
        while let Some(next) = self.rest.next() {
            match next {
                '\'' => self.single()?,
                '"' => self.double()?,
                '\\' => match self.rest.next() {
                    Some('\n') | None => {}
                    Some(other) => self.push(other),
                },
                ' ' | '\t' | '\r' => self.end_word()?,
                ';' | '\n' => self.end_command(Joint::Then)?,
                '&' if self.took('&') => self.end_command(Joint::And)?,
                '|' if self.took('|') => self.end_command(Joint::Or)?,
                '|' => self.end_command(Joint::Pipe)?,
                '&' | '(' | ')' | '`' | '<' => return Err(format!("`{next}' unexpected")),
                '#' if self.word.is_none() => while self.rest.next_if(|c| *c != '\n').is_some() {},
                '$' => self.dollar()?,
                '>' => self.redirect()?,
                other => self.push(other),
            }
        }
        self.end_command(Joint::Then)
    }

    fn took(&mut self, wanted: char) -> bool {
        self.rest.next_if_eq(&wanted).is_some()
    }

    fn push(&mut self, next: char) {
        self.word.get_or_insert_default().push(next);
    }

    fn single(&mut self) -> Result<(), String> {
        self.word.get_or_insert_default();
        loop {
            match self.rest.next() {
                Some('\'') => return Ok(()),
                Some(other) => self.push(other),
                None => return Err("no closing quote".to_owned()),
            }
        }
    }

    fn double(&mut self) -> Result<(), String> {
        self.word.get_or_insert_default();
        loop {
            match self.rest.next() {
                Some('"') => return Ok(()),
                Some('\\') => match self.rest.next() {
                    Some(next @ ('"' | '\\' | '$' | '`')) => self.push(next),
                    Some(next) => {
                        self.push('\\');
                        self.push(next);
                    }
                    None => return Err("no closing quote".to_owned()),
                },
                Some('$') => self.dollar()?,
                Some(other) => self.push(other),
                None => return Err("no closing quote".to_owned()),
            }
        }
    }

    /// `$?`; a variable is empty here, as every variable in a fresh shell.
    fn dollar(&mut self) -> Result<(), String> {
        if self.took('?') {
            self.word.get_or_insert_default().push_str(STATUS);
            return Ok(());
        }
        match self.rest.peek() {
            Some('(' | '{') => Err("`$' unexpected".to_owned()),
            Some(next) if next.is_ascii_alphabetic() || *next == '_' => {
                while self
                    .rest
                    .next_if(|c| c.is_ascii_alphanumeric() || *c == '_')
                    .is_some()
                {}
                Ok(())
            }
            Some(_) | None => {
                self.push('$');
                Ok(())
            }
        }
    }

    /// `>FILE`, `2>FILE`, `2>&1`: only to nowhere or together.
    fn redirect(&mut self) -> Result<(), String> {
        let errors = self.word.as_deref() == Some("2");
        if errors || self.word.as_deref() == Some("1") {
            self.word = None;
        }
        self.end_word()?;
        if self.took('&') {
            return match self.rest.next() {
                Some('1') => {
                    self.current.joined |= errors;
                    Ok(())
                }
                Some('2') => Ok(()),
                Some(_) | None => Err("`&' unexpected".to_owned()),
            };
        }
        while self.rest.next_if_eq(&' ').is_some() {}
        let mut file = String::new();
        while let Some(next) = self.rest.next_if(|c| !" \t\n;&|".contains(*c)) {
            file.push(next);
        }
        if file != "/dev/null" {
            return Err(format!("can't create {file}: Permission denied"));
        }
        if errors {
            self.current.mute = true;
        } else {
            self.current.quiet = true;
        }
        Ok(())
    }

    #[expect(clippy::unnecessary_wraps, reason = "reads as the other steps do")]
    fn end_word(&mut self) -> Result<(), String> {
        if let Some(word) = self.word.take() {
            self.current.words.push(word);
        }
        Ok(())
    }

    fn end_command(&mut self, next: Joint) -> Result<(), String> {
        self.end_word()?;
        let command = std::mem::replace(&mut self.current, Self::empty(next));
        if command.words.is_empty() {
            if command.joint != Joint::Then || next != Joint::Then {
                return Err("unexpected end of command".to_owned());
            }
        } else {
            self.commands.push(command);
        }
        Ok(())
    }
}
