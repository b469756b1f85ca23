//! Reading secrets from where references point: credential, file, environment, CSV cell.
//!
//! Invariants: what was read is kept until [`References::refresh`], so that one reading serves a whole fleet and all of it uses the same text; files are
//! bounded in size; buffers are erased. Not here: what a secret is for.

use super::{SecretError, Secrets};
use crate::model::value::SecretRef;
use secrecy::SecretString;
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// A file that holds one secret is no larger than this.
const MOST_SECRET: u64 = 64 << 10;

/// A CSV file of secrets is no larger than this.
const MOST_CSV: u64 = 64 << 20;

/// Reads an environment variable.
pub type Environment = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Resolves references against an environment and the file system.
pub struct References {
    environment: Environment,
    credentials: Option<PathBuf>,
    known: Mutex<Known>,
}

/// What was read since the last refresh, failures too.
#[derive(Default)]
struct Known {
    secrets: BTreeMap<SecretRef, Result<SecretString, SecretError>>,
    tables: BTreeMap<SmolStr, Result<Arc<Table>, String>>,
}

/// A CSV file of secrets.
struct Table {
    /// Position of each column by its name.
    columns: BTreeMap<String, usize>,
    /// Cells by the first column; `None`: more than one row has this key.
    rows: BTreeMap<String, Option<Vec<SecretString>>>,
}

impl std::fmt::Debug for References {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("References")
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}

impl References {
    /// References into this environment and this credentials folder (`$CREDENTIALS_DIRECTORY` of systemd).
    pub fn new(environment: Environment, credentials: Option<PathBuf>) -> Self {
        Self {
            environment,
            credentials,
            known: Mutex::default(),
        }
    }

    /// References into the environment of this process.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one home of secrets in the environment"
    )]
    pub fn from_process() -> Self {
        Self::new(
            Box::new(|name| std::env::var(name).ok()),
            std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        )
    }

    fn read(&self, reference: &SecretRef, known: &mut Known) -> Result<SecretString, String> {
        match reference {
            SecretRef::Credential(name) => {
                let folder = self.credentials.as_deref().ok_or(
                    "CREDENTIALS_DIRECTORY is not set (systemd sets it where LoadCredential= is used)",
                )?;
                if name.contains('/') || name.as_str() == ".." || name.as_str() == "." {
                    return Err("is no plain file name".to_owned());
                }
                secret_file(&folder.join(name.as_str()))
            }
            SecretRef::File(path) => secret_file(Path::new(path.as_str())),
            SecretRef::Env(name) => {
                let text = (self.environment)(name).ok_or("is not set, or is not UTF-8")?;
                secret(&Zeroizing::new(text))
            }
            SecretRef::Csv { file, key, column } => known.table(file)?.cell(key, column),
        }
    }
}

impl Secrets for References {
    fn resolve(&self, reference: &SecretRef) -> Result<SecretString, SecretError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(result) = known.secrets.get(reference) {
            return result.clone();
        }
        let result = self
            .read(reference, &mut known)
            .map_err(|problem| SecretError {
                reference: written(reference),
                problem,
            });
        known.secrets.insert(reference.clone(), result.clone());
        result
    }

    fn refresh(&self) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Known::default();
    }
}

/// The reference as a manifest writes it.
fn written(reference: &SecretRef) -> String {
    match reference {
        SecretRef::Credential(name) => format!("{{ credential: {name} }}"),
        SecretRef::File(path) => format!("{{ file: {path} }}"),
        SecretRef::Env(name) => format!("{{ env: {name} }}"),
        SecretRef::Csv { file, key, column } => {
            format!("{{ csv: {file}, key: {key}, column: {column} }}")
        }
    }
}

impl Known {
    fn table(&mut self, file: &SmolStr) -> Result<Arc<Table>, String> {
        if let Some(table) = self.tables.get(file) {
            return table.clone();
        }
        let table = Table::read(Path::new(file.as_str())).map(Arc::new);
        self.tables.insert(file.clone(), table.clone());
        table
    }
}

impl Table {
    fn read(path: &Path) -> Result<Self, String> {
        let text = text_file(path, MOST_CSV)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let heading = text.lines().next().unwrap_or_default();
        let delimiter = if heading.contains(';') && !heading.contains(',') {
            b';'
        } else {
            b','
        };
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .from_reader(text.as_bytes());
        let columns = reader
            .headers()
            .map_err(|_| "the first line cannot be read as column names")?
            .iter()
            .enumerate()
            .map(|(position, name)| (name.trim().to_owned(), position))
            .collect();
        let mut rows = BTreeMap::new();
        for record in reader.records() {
            let record = record.map_err(|error| match error.position() {
                Some(at) => format!("line {} has another number of columns", at.line()),
                None => "cannot be read as CSV".to_owned(),
            })?;
            let Some(key) = record.get(0) else { continue };
            let cells = record.iter().map(|cell| SecretString::from(cell.trim()));
            rows.entry(key.trim().to_owned())
                .and_modify(|row| *row = None)
                .or_insert_with(|| Some(cells.collect()));
        }
        Ok(Self { columns, rows })
    }

    fn cell(&self, key: &str, column: &str) -> Result<SecretString, String> {
        use secrecy::ExposeSecret;
        let position = *self
            .columns
            .get(column)
            .ok_or("the file has no such column")?;
        let row = self.rows.get(key).ok_or("the file has no such row")?;
        let row = row.as_ref().ok_or("more than one row has this key")?;
        let cell = row.get(position).ok_or("the row has no such cell")?;
        if cell.expose_secret().is_empty() {
            return Err("is empty".to_owned());
        }
        Ok(cell.clone())
    }
}

fn secret_file(path: &Path) -> Result<SecretString, String> {
    secret(&text_file(path, MOST_SECRET)?)
}

/// Without the line ends that editors and `echo` leave.
fn secret(text: &str) -> Result<SecretString, String> {
    let trimmed = text.trim_end_matches(['\r', '\n']);
    if trimmed.trim().is_empty() {
        return Err("is empty".to_owned());
    }
    Ok(SecretString::from(trimmed))
}

fn text_file(path: &Path, most: u64) -> Result<Zeroizing<String>, String> {
    // Looked at before it is opened: opening a pipe waits for somebody who writes.
    let about = std::fs::metadata(path).map_err(|error| problem(&error))?;
    if about.is_dir() {
        return Err("is a folder".to_owned());
    }
    if !about.is_file() {
        return Err("is no plain file".to_owned());
    }
    let file = File::open(path).map_err(|error| problem(&error))?;
    if about.len() > most {
        return Err(format!("is larger than {most} bytes"));
    }
    let room = usize::try_from(about.len()).unwrap_or(0) + 1;
    let mut text = Zeroizing::new(String::with_capacity(room));
    file.take(most + 1)
        .read_to_string(&mut text)
        .map_err(|error| problem(&error))?;
    if text.len() as u64 > most {
        return Err(format!("is larger than {most} bytes"));
    }
    Ok(text)
}

fn problem(error: &std::io::Error) -> String {
    let kind = error.kind();
    if kind == ErrorKind::NotFound {
        "no such file".to_owned()
    } else if kind == ErrorKind::PermissionDenied {
        "may not be read by this user".to_owned()
    } else if kind == ErrorKind::InvalidData {
        "is not UTF-8 text".to_owned()
    } else {
        format!("cannot be read ({error})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;
    use std::fs;

    fn references(folder: &Path) -> References {
        let environment: Environment = Box::new(|name| match name {
            "GOOD" => Some("s3cret\n".to_owned()),
            "EMPTY" => Some("\n".to_owned()),
            _ => None,
        });
        References::new(environment, Some(folder.to_owned()))
    }

    fn text(references: &References, reference: &SecretRef) -> Result<String, String> {
        references
            .resolve(reference)
            .map(|secret| secret.expose_secret().to_owned())
            .map_err(|error| error.to_string())
    }

    fn cell(file: &Path, key: &str, column: &str) -> SecretRef {
        SecretRef::Csv {
            file: file.to_str().unwrap().into(),
            key: key.into(),
            column: column.into(),
        }
    }

    #[test]
    fn each_kind_of_reference_is_read_and_line_ends_are_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        fs::write(&file, " a b \r\n").unwrap();
        let references = references(folder.path());
        let path: SmolStr = file.to_str().unwrap().into();
        assert_eq!(text(&references, &SecretRef::File(path)).unwrap(), " a b ");
        assert_eq!(
            text(&references, &SecretRef::Credential("token".into())).unwrap(),
            " a b "
        );
        assert_eq!(
            text(&references, &SecretRef::Env("GOOD".into())).unwrap(),
            "s3cret"
        );
    }

    #[test]
    fn what_is_missing_empty_or_unfit_is_an_error_that_names_the_reference() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("empty"), "\n\n").unwrap();
        fs::write(folder.path().join("bytes"), [0xff, 0xfe]).unwrap();
        fs::write(folder.path().join("large"), vec![b'x'; 70_000]).unwrap();
        let references = references(folder.path());
        let credential = |name: &str| SecretRef::Credential(name.into());
        for (reference, expected) in [
            (
                SecretRef::Env("NONE".into()),
                "{ env: NONE }: is not set, or is not UTF-8",
            ),
            (SecretRef::Env("EMPTY".into()), "{ env: EMPTY }: is empty"),
            (credential("empty"), "{ credential: empty }: is empty"),
            (
                credential("bytes"),
                "{ credential: bytes }: is not UTF-8 text",
            ),
            (
                credential("large"),
                "{ credential: large }: is larger than 65536 bytes",
            ),
            (
                credential("../empty"),
                "{ credential: ../empty }: is no plain file name",
            ),
            (
                SecretRef::File("/nowhere/x".into()),
                "{ file: /nowhere/x }: no such file",
            ),
        ] {
            assert_eq!(text(&references, &reference).unwrap_err(), expected);
        }
        let bare = References::new(Box::new(|_| None), None);
        let error = text(&bare, &credential("x")).unwrap_err();
        assert!(
            error.contains("CREDENTIALS_DIRECTORY is not set"),
            "{error}"
        );
    }

    #[test]
    fn cells_are_found_by_row_and_column_in_either_dialect() {
        let folder = tempfile::tempdir().unwrap();
        let references = references(folder.path());
        for (name, content) in [
            (
                "comma.csv",
                "id,user,password\nAC1,u,\"p,1\"\nAC2,u,\nAC3,u,a\nAC3,u,b\n",
            ),
            (
                "semicolon.csv",
                "\u{feff}id;user;password\r\nAC1;u;\"p,1\"\r\nAC2;u;\r\nAC3;u;a\r\nAC3;u;b\r\n",
            ),
        ] {
            let file = folder.path().join(name);
            fs::write(&file, content).unwrap();
            let get = |key: &str, column: &str| text(&references, &cell(&file, key, column));
            assert_eq!(get("AC1", "password").unwrap(), "p,1");
            for (key, column, problem) in [
                ("AC2", "password", "is empty"),
                ("AC3", "password", "more than one row has this key"),
                ("AC4", "password", "the file has no such row"),
                ("AC1", "pass", "the file has no such column"),
            ] {
                let error = get(key, column).unwrap_err();
                assert!(error.ends_with(problem), "{error}");
                assert!(!error.contains("p,1"));
            }
        }
    }

    #[test]
    fn a_rotated_secret_is_seen_after_a_refresh() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let references = references(folder.path());
        let reference = SecretRef::Credential("token".into());
        text(&references, &reference).unwrap_err();
        fs::write(&file, "one").unwrap();
        text(&references, &reference).unwrap_err();
        references.refresh();
        assert_eq!(text(&references, &reference).unwrap(), "one");
        fs::write(&file, "two").unwrap();
        assert_eq!(text(&references, &reference).unwrap(), "one");
        references.refresh();
        assert_eq!(text(&references, &reference).unwrap(), "two");
    }

    #[test]
    fn nothing_prints_a_secret() {
        let folder = tempfile::tempdir().unwrap();
        let references = references(folder.path());
        let secret = references.resolve(&SecretRef::Env("GOOD".into())).unwrap();
        assert!(!format!("{references:?} {secret:?}").contains("s3cret"));
    }
}
