//! The command with its replacement strings.

use super::part::Part;
use super::quote;

#[derive(Debug)]
pub(crate) struct Template {
    pieces: Vec<Piece>,
    /// Whether arguments are quoted: not if the command starts with a replacement string, as it would
    /// be the name of a program, or a whole command.
    quoted: bool,
}

#[derive(Debug)]
enum Piece {
    Text(Vec<u8>),
    /// Of all sources, with blanks between them.
    Every(Part),
    /// Of one source: 1 is the first, -1 the last. One that is not there is empty.
    One(isize, Part),
    Seq,
    Slot,
}

impl Template {
    /// `command`: the words joined by blanks; if that is empty, the arguments are the commands.
    pub(crate) fn parse(command: &[u8]) -> Self {
        let mut pieces = Vec::new();
        let mut text = Vec::new();
        let mut rest = command;
        while let Some(&byte) = rest.first() {
            if let Some((piece, len)) = replacement(rest) {
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                pieces.push(piece);
                rest = &rest[len..];
            } else {
                text.push(byte);
                rest = &rest[1..];
            }
        }
        let has_none = pieces.iter().all(|piece| matches!(piece, Piece::Text(_)));
        let quoted = !command.is_empty() && !starts_with_one(&pieces);
        if has_none && !command.is_empty() {
            text.push(b' ');
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        if has_none {
            pieces.push(Piece::Every(Part::Whole));
        }
        Self { pieces, quoted }
    }

    pub(crate) fn render(&self, arguments: &[&[u8]], seq: u64, slot: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend(text),
                Piece::Every(part) => {
                    for (index, argument) in arguments.iter().enumerate() {
                        if index > 0 {
                            out.push(b' ');
                        }
                        self.put(argument, *part, &mut out);
                    }
                }
                Piece::One(number, part) => {
                    if let Some(argument) = nth(arguments, *number) {
                        self.put(argument, *part, &mut out);
                    }
                }
                Piece::Seq => out.extend(seq.to_string().into_bytes()),
                Piece::Slot => out.extend(slot.to_string().into_bytes()),
            }
        }
        out
    }

    fn put(&self, argument: &[u8], part: Part, out: &mut Vec<u8>) {
        let taken = part.of(argument);
        if self.quoted {
            quote::quote(&taken, out);
        } else {
            out.extend(&*taken);
        }
    }
}

fn starts_with_one(pieces: &[Piece]) -> bool {
    !matches!(pieces.first(), None | Some(Piece::Text(_)))
}

fn nth<'a>(arguments: &[&'a [u8]], number: isize) -> Option<&'a [u8]> {
    let back = usize::try_from(number).is_err();
    let index = if back {
        arguments.len().checked_sub(number.unsigned_abs())?
    } else {
        number.unsigned_abs().checked_sub(1)?
    };
    arguments.get(index).copied()
}

/// The replacement string that the text starts with, and its length.
fn replacement(text: &[u8]) -> Option<(Piece, usize)> {
    let inner = text.strip_prefix(b"{")?;
    let inner = &inner[..inner.iter().position(|&byte| byte == b'}')?];
    let len = inner.len() + 2;
    match inner {
        b"#" => return Some((Piece::Seq, len)),
        b"%" => return Some((Piece::Slot, len)),
        _ => {}
    }
    let digits = inner.iter().skip(usize::from(inner.starts_with(b"-")));
    let digits = digits.take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return Some((Piece::Every(Part::parse(inner)?), len));
    }
    let (number, part) = inner.split_at(digits + usize::from(inner.starts_with(b"-")));
    let number: isize = str::from_utf8(number).ok()?.parse().ok()?;
    let part = Part::parse(part)?;
    let piece = match number {
        0 => Piece::Every(part),
        _ => Piece::One(number, part),
    };
    Some((piece, len))
}
