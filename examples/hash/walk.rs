//! Lists what is to be hashed.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::message;
use crate::support::reason::reason;

/// One thing to hash, and the name it is printed under.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) source: Source,
    pub(crate) len: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Path,
    Stdin,
    /// Standard input named once more: read to its end by then, hence empty. Two items reading
    /// it at the same time would share its bytes out at random.
    DrainedStdin,
}

#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) path: PathBuf,
    pub(crate) reason: String,
}

#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Sorted by the bytes of the path, before any escaping.
    pub(crate) files: Vec<File>,
    pub(crate) failures: Vec<Failure>,
}

pub(crate) fn list(paths: &[OsString], follow: bool) -> Listing {
    let mut listing = Listing::default();
    let mut stdin = Stdin::default();
    for path in paths {
        if path == "-" {
            listing.files.push(stdin.file());
        } else {
            listing.add(Path::new(path), follow);
        }
    }
    // Stable: of two standard inputs, the first has the bytes.
    listing
        .files
        .sort_by(|a, b| bytes(&a.path).cmp(bytes(&b.path)));
    listing
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}

impl Listing {
    /// Adds a path of the command line: links are followed, and any kind of file is taken.
    fn add(&mut self, path: &Path, follow: bool) {
        match fs::metadata(path) {
            Ok(data) if data.is_dir() => self.descend(path, follow),
            Ok(data) => self.push(path.to_owned(), data.len()),
            Err(error) => self.fail(path, reason(&error)),
        }
    }

    fn descend(&mut self, root: &Path, follow: bool) {
        for entry in WalkDir::new(root).follow_links(follow) {
            let failure = match entry {
                // Opening a pipe would wait for a writer, so only regular files pass.
                Ok(entry) if !entry.file_type().is_file() => continue,
                Ok(entry) => match entry.metadata() {
                    Ok(data) => {
                        self.push(entry.into_path(), data.len());
                        continue;
                    }
                    Err(error) => error,
                },
                Err(error) => error,
            };
            let path = failure.path().unwrap_or(root);
            if let Some(ancestor) = failure.loop_ancestor() {
                let ancestor = message::printable(ancestor);
                self.fail(path, format!("loop of links: leads back to {ancestor}"));
            } else if let Some(error) = failure.io_error()
                && !(follow && is_dangling(path, error))
            {
                self.fail(path, reason(error));
            }
        }
    }

    fn push(&mut self, path: PathBuf, len: u64) {
        self.files.push(File {
            path,
            source: Source::Path,
            len,
        });
    }

    fn fail(&mut self, path: &Path, reason: String) {
        self.failures.push(Failure {
            path: path.to_owned(),
            reason,
        });
    }
}

fn is_dangling(path: &Path, error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::NotFound
        && fs::symlink_metadata(path).is_ok_and(|data| data.is_symlink())
}

/// Standard input, which can be read only once.
#[derive(Debug, Default)]
pub(crate) struct Stdin {
    taken: bool,
}

impl Stdin {
    pub(crate) fn file(&mut self) -> File {
        let source = if std::mem::replace(&mut self.taken, true) {
            Source::DrainedStdin
        } else {
            Source::Stdin
        };
        File {
            path: PathBuf::from("-"),
            source,
            len: 0,
        }
    }
}
