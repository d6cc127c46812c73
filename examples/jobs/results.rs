//! The directory tree of `--results`, laid out as GNU parallel does.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::sink::Sink;

/// The longest name that file systems in common use take, in bytes.
const LONGEST: usize = 255;

/// Opens `DIR/1/ARGUMENT/.../{stdout,stderr}` anew, and writes `seq`.
pub(crate) fn open(dir: &Path, arguments: &[&[u8]], seq: u64) -> io::Result<Sink> {
    let dir = path(dir, arguments, seq);
    fs::create_dir_all(&dir)?;
    fs::write(dir.join("seq"), seq.to_string())?;
    let open = |name| {
        File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(dir.join(name))
    };
    Ok(Sink {
        stdout: open("stdout")?,
        stderr: open("stderr")?,
    })
}

fn path(dir: &Path, arguments: &[&[u8]], seq: u64) -> PathBuf {
    let mut path = dir.to_owned();
    for (index, argument) in arguments.iter().enumerate() {
        path.push((index + 1).to_string());
        path.push(OsStr::from_bytes(&name(argument, seq)));
    }
    path
}

fn name(argument: &[u8], seq: u64) -> Vec<u8> {
    let mut name = Vec::with_capacity(argument.len());
    for &byte in argument {
        match byte {
            b'\\' => name.extend(br"\\"),
            b'\t' => name.extend(br"\t"),
            b'/' => name.extend(br"\_"),
            other => name.push(other),
        }
    }
    if name.len() > LONGEST {
        // Two that begin alike must not end up in one file.
        let end = format!("~{seq}").into_bytes();
        name.truncate(LONGEST - end.len());
        name.extend(end);
    }
    name
}
