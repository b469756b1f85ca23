//! Official SDKs against the simulated vendors: a Python with what `tests/conformance/requirements.txt` names, and runs of the scripts beside it.
//!
//! Invariants: nothing is installed but into a folder of the build; without Python or a package index a run says that it was skipped, and fails where `CI` is
//! set. Not here: what the SDKs must see (`conformance_*`).

use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance");

/// Runs a script with these arguments; what it printed. `None`: it could not be run, which was said.
///
/// # Panics
/// The script fails; or it could not be run, and `CI` is set.
pub(crate) fn run(script: &str, arguments: &[&str]) -> Option<String> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let python = match PYTHON.get_or_init(python) {
        Ok(python) => python,
        Err(problem) => {
            let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
            assert!(!ci, "{script} cannot be run: {problem}");
            // Past the test harness, which keeps what tests print to itself.
            let mut stderr = std::io::stderr();
            writeln!(
                stderr,
                "\nskipped: {script} against the simulator ({problem})"
            )
            .unwrap();
            return None;
        }
    };
    let output = Command::new(python)
        .arg(Path::new(FOLDER).join(script))
        .args(arguments)
        .env("NO_PROXY", "127.0.0.1")
        .env("no_proxy", "127.0.0.1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{script}: {}\n{printed}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Some(printed)
}

/// A Python that has the SDKs: made once for each list of requirements, whichever process comes first.
fn python() -> Result<PathBuf, String> {
    let requirements = Path::new(FOLDER).join("requirements.txt");
    let text = std::fs::read(&requirements).map_err(|problem| problem.to_string())?;
    let digest = base16ct::lower::encode_string(&Sha256::digest(text));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("python-{}", &digest[..16]));
    std::fs::create_dir_all(&folder).map_err(|problem| problem.to_string())?;
    let lock = std::fs::File::create(folder.join("lock")).map_err(|problem| problem.to_string())?;
    lock.lock().map_err(|problem| problem.to_string())?;
    let python = folder.join("venv/bin/python");
    let ready = folder.join("ready");
    if ready.exists() {
        return Ok(python);
    }
    let venv = folder.join("venv");
    done(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&venv),
    )?;
    done(
        Command::new(&python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ])
            .args(["--retries", "1", "--timeout", "20", "--requirement"])
            .arg(&requirements),
    )?;
    std::fs::write(ready, "").map_err(|problem| problem.to_string())?;
    Ok(python)
}

/// Runs a command to its end; its last words if it fails.
fn done(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|problem| format!("{name}: {problem}"))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    let last = words.trim().lines().next_back().unwrap_or_default();
    Err(format!("{name} ended with {}: {last}", output.status))
}
