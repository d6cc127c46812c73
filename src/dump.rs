//! A timeline that is written when its runtime ends, because the environment asks for it.

use crate::crew::Crew;
use crate::sync::Mutex;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The environment variable that names the file.
const NAME: &str = "GANGER_TRACE";

/// Where a runtime is to write its timeline.
#[derive(Debug)]
pub(crate) struct Dump(PathBuf);

impl Dump {
    /// None if nobody asks.
    pub(crate) fn asked_for() -> Option<Self> {
        /// How many runtimes have asked before.
        static BEFORE: OnceLock<Mutex<usize>> = OnceLock::new();
        let path = std::env::var_os(NAME).filter(|path| !path.is_empty())?;
        let path = path.to_str().map_or(path.clone(), |name| {
            let number = std::process::id().to_string();
            name.replace("%p", &number).into()
        });
        let mut before = BEFORE.get_or_init(Mutex::default).lock();
        *before += 1;
        Some(Self(numbered(Path::new(&path), *before)))
    }

    /// Writes what `crew` has recorded. What goes wrong is told on stderr: there is nobody else to tell.
    pub(crate) fn write(&self, crew: &Crew) {
        if let Some(recorder) = crew.recorder()
            && let Err(error) = recorder.read().save_chrome(&self.0)
        {
            eprintln!("ganger: {NAME}: {}: {error}", self.0.display());
        }
    }
}

/// `NAME.json`, `NAME-2.json`, and so on.
fn numbered(path: &Path, number: usize) -> PathBuf {
    if number == 1 {
        return path.to_owned();
    }
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_runtime_has_a_file_of_its_own() {
        for (name, second) in [
            ("t.json", "t-2.json"),
            ("a.b/t", "a.b/t-2"),
            ("a/t.x.json", "a/t.x-2.json"),
        ] {
            assert_eq!(numbered(Path::new(name), 1), Path::new(name));
            assert_eq!(numbered(Path::new(name), 2), Path::new(second));
        }
    }
}
