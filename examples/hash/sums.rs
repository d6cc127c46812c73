//! The lines of a list of sums: written and read as `sha256sum` and `b3sum` do.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::args::Algorithm;
use crate::digest::Digest;

/// `HEX  PATH`; with a backslash in front if the path had to be escaped.
pub(crate) fn write_sum(out: &mut impl Write, digest: &Digest, path: &Path) -> io::Result<()> {
    let name = path.as_os_str().as_encoded_bytes();
    let escaped = escape(name);
    if matches!(escaped, Cow::Owned(_)) {
        out.write_all(b"\\")?;
    }
    out.write_all(&hex(digest))?;
    out.write_all(b"  ")?;
    out.write_all(&escaped)?;
    out.write_all(b"\n")
}

/// `PATH: VERDICT`. Here, unlike in a list, `sha256sum` escapes only what would break the line.
pub(crate) fn write_verdict(out: &mut impl Write, path: &Path, verdict: &str) -> io::Result<()> {
    let name = path.as_os_str().as_encoded_bytes();
    if name.contains(&b'\n') {
        out.write_all(b"\\")?;
        out.write_all(&escape(name))?;
    } else {
        out.write_all(name)?;
    }
    writeln!(out, ": {verdict}")
}

/// A name with its newlines, carriage returns and backslashes spelt out; borrowed if it has none.
pub(crate) fn escape(name: &[u8]) -> Cow<'_, [u8]> {
    if !name.iter().any(|byte| b"\n\r\\".contains(byte)) {
        return Cow::Borrowed(name);
    }
    let mut escaped = Vec::with_capacity(name.len() + 8);
    for &byte in name {
        match byte {
            b'\n' => escaped.extend(b"\\n"),
            b'\r' => escaped.extend(b"\\r"),
            b'\\' => escaped.extend(b"\\\\"),
            other => escaped.push(other),
        }
    }
    Cow::Owned(escaped)
}

fn unescape(name: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name.iter();
    while let Some(&byte) = rest.next() {
        plain.push(match byte {
            b'\\' => match rest.next()? {
                b'n' => b'\n',
                b'r' => b'\r',
                b'\\' => b'\\',
                _ => return None,
            },
            other => other,
        });
    }
    Some(plain)
}

fn hex(digest: &Digest) -> [u8; 64] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(digest) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    text
}

fn unhex(text: &[u8]) -> Option<Digest> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut digest = Digest::default();
    if text.len() != 2 * digest.len() {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(text.chunks_exact(2)) {
        *byte = u8::try_from((digit(pair[0])? << 4) | digit(pair[1])?).ok()?;
    }
    Some(digest)
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) digest: Digest,
    pub(crate) path: PathBuf,
}

#[derive(Debug, Default)]
pub(crate) struct List {
    pub(crate) entries: Vec<Entry>,
    pub(crate) malformed: usize,
}

/// Reads a list. A line that names standard input makes no sense in a list read from there.
pub(crate) fn parse(text: &[u8], algorithm: Algorithm, from_stdin: bool) -> List {
    let mut list = List::default();
    let mut style = None;
    for line in text.split(|&byte| byte == b'\n') {
        if line.starts_with(b"#") {
            continue;
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        match entry(line, algorithm, &mut style) {
            Some(entry) if !(from_stdin && entry.path == Path::new("-")) => {
                list.entries.push(entry);
            }
            _ => list.malformed += 1,
        }
    }
    list
}

/// How the lines without a tag part the sum from the name. Only one style is taken in a list,
/// or a name that starts with a space could be read in two ways.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// `HEX  NAME` or `HEX *NAME`
    Marked,
    /// `HEX NAME`, of the BSD tools
    Bare,
}

fn entry(line: &[u8], algorithm: Algorithm, style: &mut Option<Style>) -> Option<Entry> {
    let line = trim_blanks(line);
    let (escaped, line) = match line.strip_prefix(b"\\") {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (digest, name) = match line.strip_prefix(algorithm.tag().as_bytes()) {
        Some(rest) => tagged(rest)?,
        None => untagged(line, style)?,
    };
    let name = if escaped {
        unescape(name)?
    } else {
        name.to_vec()
    };
    if name.contains(&0) {
        return None;
    }
    Some(Entry {
        digest,
        path: path(name)?,
    })
}

/// ` (NAME) = HEX`
fn tagged(line: &[u8]) -> Option<(Digest, &[u8])> {
    let line = line.strip_prefix(b" ").unwrap_or(line);
    let line = line.strip_prefix(b"(")?;
    let close = line.iter().rposition(|&byte| byte == b')')?;
    let sum = trim_blanks(&line[close + 1..]).strip_prefix(b"=")?;
    Some((unhex(trim_blanks(sum))?, &line[..close]))
}

fn untagged<'a>(line: &'a [u8], style: &mut Option<Style>) -> Option<(Digest, &'a [u8])> {
    let (sum, rest) = line.split_at_checked(64)?;
    let digest = unhex(sum)?;
    let rest = rest
        .strip_prefix(b" ")
        .or_else(|| rest.strip_prefix(b"\t"))?;
    let marked = rest.len() > 1 && (rest[0] == b' ' || rest[0] == b'*');
    let style = match style {
        Some(Style::Marked) if !marked => return None,
        Some(style) => *style,
        None if marked => *style.insert(Style::Marked),
        None => *style.insert(Style::Bare),
    };
    let name = match style {
        Style::Marked => &rest[1..],
        Style::Bare => rest,
    };
    (!name.is_empty()).then_some((digest, name))
}

fn trim_blanks(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    text
}

#[cfg(unix)]
fn path(name: Vec<u8>) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    Some(OsString::from_vec(name).into())
}

#[cfg(not(unix))]
fn path(name: Vec<u8>) -> Option<PathBuf> {
    Some(OsString::from(String::from_utf8(name).ok()?).into())
}
