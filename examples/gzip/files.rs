//! From names to inputs and outputs, and back to the names.

use crate::args::Args;
use crate::ending::{self, Ending};
use crate::inflate::{self, Rest};
use crate::member::{self, Failure, Header, Settings};
use crate::meter::Meter;
use crate::support::reason::reason;
use crate::totals::Totals;
use crate::unfinished::Unfinished;
use ganger::Runtime;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, FileTimes, Metadata};
use std::io::{self, BufReader, BufWriter, ErrorKind, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::UNIX_EPOCH;
use tempfile::NamedTempFile;

const SUFFIX: &str = ".gz";
const BUFFER: usize = 256 * 1024;

/// One name; none is standard input.
pub(crate) fn treat(
    runtime: &Runtime,
    args: &Args,
    name: Option<&OsStr>,
    totals: &mut Totals,
) -> Ending {
    let ending = match name {
        None => through(runtime, args, totals),
        Some(name) => replace(runtime, args, Path::new(name), totals),
    };
    totals.count(ending);
    ending
}

/// Standard input to standard output.
fn through(runtime: &Runtime, args: &Args, totals: &mut Totals) -> Ending {
    let unpacks = args.decompress || args.test;
    if !unpacks && !args.force && io::stdout().is_terminal() {
        ending::say(
            None,
            "compressed data is not written to a terminal (-f forces it)",
        );
        return Ending::Failed;
    }
    let result = convert(
        runtime,
        args,
        &Header::default(),
        io::stdin(),
        &mut stdout(args),
    );
    end(None, result, totals)
}

fn stdout(args: &Args) -> Box<dyn Write> {
    if args.test {
        return Box::new(io::sink());
    }
    // Not by way of `Stdout`, which looks for the ends of lines.
    match io::stdout().as_fd().try_clone_to_owned() {
        Ok(descriptor) => Box::new(BufWriter::with_capacity(BUFFER, File::from(descriptor))),
        Err(_) => Box::new(BufWriter::with_capacity(BUFFER, io::stdout())),
    }
}

/// A file to one beside it, or to standard output.
fn replace(runtime: &Runtime, args: &Args, path: &Path, totals: &mut Totals) -> Ending {
    let name = Some(path.as_os_str());
    let replaces = !args.stdout && !args.test;
    if replaces && let Err((ending, text)) = may_replace(args, path) {
        ending::say(name, &text);
        return ending;
    }
    let (input, about) = match open(path) {
        Ok(opened) => opened,
        Err(error) => {
            ending::say(name, &reason(&error));
            return Ending::Failed;
        }
    };
    let header = if args.no_name {
        Header::default()
    } else {
        header(path, &about)
    };
    if !replaces {
        let result = convert(runtime, args, &header, input, &mut stdout(args));
        return end(name, result, totals);
    }
    let to = match destination(args, path) {
        Ok(to) => to,
        Err(text) => {
            ending::say(name, text);
            return Ending::Warned;
        }
    };
    if !args.force && to.symlink_metadata().is_ok() {
        ending::say(Some(to.as_os_str()), "already exists: not overwritten");
        return Ending::Warned;
    }
    let result = beside(runtime, args, &header, input, &about, &to);
    let ended = end(name, result, totals);
    if ended < Ending::Failed
        && !args.keep
        && let Err(error) = fs::remove_file(path)
    {
        ending::say(name, &reason(&error));
        return Ending::Failed;
    }
    ended
}

/// Whether this is a file that can be replaced; without opening it, which may take for ever.
fn may_replace(args: &Args, path: &Path) -> Result<(), (Ending, String)> {
    let failed = |error: io::Error| (Ending::Failed, reason(&error));
    let about = path.symlink_metadata().map_err(failed)?;
    if about.is_symlink() && !args.force {
        let text = "is a symbolic link, which is replaced only with -f";
        return Err((Ending::Failed, text.to_owned()));
    }
    let about = path.metadata().map_err(failed)?;
    if about.is_dir() {
        return Err((Ending::Failed, "is a directory".to_owned()));
    }
    if !about.is_file() {
        return Err((Ending::Warned, "not a regular file: ignored".to_owned()));
    }
    let others = about.nlink() - 1;
    if others > 0 && !args.force && !args.keep {
        return Err((Ending::Warned, format!("has {others} other links: ignored")));
    }
    Ok(())
}

fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let input = File::open(path)?;
    let about = input.metadata()?;
    if about.is_dir() {
        return Err(io::Error::other("is a directory"));
    }
    Ok((input, about))
}

/// Name and time, as far as they fit.
fn header(path: &Path, about: &Metadata) -> Header {
    let name = path
        .file_name()
        .map(|name| name.as_encoded_bytes().to_vec());
    let time = about.modified().ok();
    let seconds = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    Header {
        name,
        time: seconds
            .and_then(|it| u32::try_from(it.as_secs()).ok())
            .unwrap_or(0),
    }
}

fn destination(args: &Args, path: &Path) -> Result<PathBuf, &'static str> {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    // A file that is named `.gz` has none.
    let has_suffix = name.len() > SUFFIX.len() && name.ends_with(SUFFIX.as_bytes());
    match (args.decompress, has_suffix) {
        (false, true) if !args.force => Err("already has the suffix .gz: ignored"),
        (false, _) => {
            let mut name = OsString::from(path);
            name.push(SUFFIX);
            Ok(name.into())
        }
        (true, true) => Ok(path.with_extension("")),
        (true, false) => Err("has no suffix .gz: ignored"),
    }
}

/// Into a temporary file in the same folder, which gets its name when it is complete.
fn beside(
    runtime: &Runtime,
    args: &Args,
    header: &Header,
    input: File,
    about: &Metadata,
    to: &Path,
) -> Result<Converted, Failure> {
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    let temporary = tempfile::Builder::new()
        .prefix(".gzip-")
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .map_err(Failure::Output)?;
    let _unfinished = Unfinished::note(temporary.path());
    let mut out = BufWriter::with_capacity(BUFFER, temporary.as_file());
    let converted = convert(runtime, args, header, input, &mut out)?;
    drop(out);
    settle(temporary, args, about, to).map_err(Failure::Output)?;
    Ok(converted)
}

fn settle(temporary: NamedTempFile, args: &Args, about: &Metadata, to: &Path) -> io::Result<()> {
    let file = temporary.as_file();
    // As far as it may; before the mode, which this may change.
    let _ = fchown(file, Some(about.uid()), Some(about.gid()));
    file.set_permissions(about.permissions())?;
    if let Ok(time) = about.modified() {
        file.set_times(FileTimes::new().set_modified(time))?;
    }
    let named = match args.force {
        true => temporary.persist(to),
        false => temporary.persist_noclobber(to),
    };
    named.map(drop).map_err(|error| error.error)
}

/// A file, from end to end.
#[derive(Debug)]
struct Converted {
    rest: Rest,
    bytes_in: u64,
    bytes_out: u64,
}

fn convert(
    runtime: &Runtime,
    args: &Args,
    header: &Header,
    input: impl Read + Send + 'static,
    out: &mut dyn Write,
) -> Result<Converted, Failure> {
    let (input, bytes_in) = Meter::new(input);
    let (mut out, bytes_out) = Meter::new(out);
    let rest = if args.decompress || args.test {
        inflate::read(BufReader::with_capacity(BUFFER, input), &mut out)?
    } else {
        let settings = Settings {
            level: args.level(),
            block: args.block(),
            log: args.log,
        };
        member::write(runtime, settings, header, input, &mut out)?;
        Rest::Nothing
    };
    out.flush().map_err(Failure::Output)?;
    Ok(Converted {
        rest,
        bytes_in: bytes_in.load(Ordering::Relaxed),
        bytes_out: bytes_out.load(Ordering::Relaxed),
    })
}

/// Says how it went, and adds it up.
fn end(name: Option<&OsStr>, result: Result<Converted, Failure>, totals: &mut Totals) -> Ending {
    let rest = result.map(|converted| {
        totals.add(converted.bytes_in, converted.bytes_out);
        converted.rest
    });
    match rest {
        Ok(Rest::Nothing) => Ending::Fine,
        Ok(Rest::Garbage) => {
            ending::say(name, "decompression OK, trailing garbage ignored");
            Ending::Warned
        }
        Err(Failure::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ending::Closed,
        Err(Failure::Output(error)) => {
            ending::say(name, &format!("output: {}", reason(&error)));
            Ending::Failed
        }
        Err(Failure::Input(error)) => {
            ending::say(name, &reason(&error));
            Ending::Failed
        }
        Err(Failure::Internal(text)) => {
            ending::say(name, &text);
            Ending::Failed
        }
    }
}
