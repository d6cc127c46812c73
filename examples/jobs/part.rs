//! What a replacement string takes of an argument.

use std::borrow::Cow;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// `{}`
    Whole,
    /// `{.}`
    Stem,
    /// `{/}`
    Base,
    /// `{//}`
    Dir,
    /// `{/.}`
    BaseStem,
}

impl Part {
    /// From what stands between the number, if any, and the closing brace.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        Some(match text {
            b"" => Self::Whole,
            b"." => Self::Stem,
            b"/" => Self::Base,
            b"//" => Self::Dir,
            b"/." => Self::BaseStem,
            _ => return None,
        })
    }

    pub(crate) fn of(self, argument: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Self::Whole => argument.into(),
            Self::Stem => stem(argument).into(),
            Self::Base => base(argument),
            Self::Dir => dir(argument).into(),
            Self::BaseStem => match base(argument) {
                Cow::Borrowed(base) => stem(base).into(),
                Cow::Owned(base) => stem(&base).to_vec().into(),
            },
        }
    }
}

/// Without the last dot and what follows it, if no slash does.
fn stem(argument: &[u8]) -> &[u8] {
    let last = argument.iter().rposition(|byte| b"./".contains(byte));
    let dot = last.filter(|&at| argument[at] == b'.');
    &argument[..dot.unwrap_or(argument.len())]
}

/// Without everything up to the last slash. GNU parallel looks at one line alone, the first that has
/// a slash.
fn base(argument: &[u8]) -> Cow<'_, [u8]> {
    let Some(slash) = argument.iter().position(|&byte| byte == b'/') else {
        return argument.into();
    };
    let newline = |&byte: &u8| byte == b'\n';
    let start = argument[..slash].iter().rposition(newline);
    let start = start.map_or(0, |at| at + 1);
    let line = &argument[start..];
    let line = &line[..line.iter().position(newline).unwrap_or(line.len())];
    let end = start + 1 + line.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
    if start == 0 {
        argument[end..].into()
    } else {
        [&argument[..start], &argument[end..]].concat().into()
    }
}

/// The directory, as Perl's `dirname` has it: `.` if there is none, and slashes at the end do not count.
fn dir(argument: &[u8]) -> &[u8] {
    let slash = |text: &[u8]| text.iter().rposition(|&byte| byte == b'/');
    let Some(last) = slash(argument) else {
        return b".";
    };
    let path = trim(&argument[..=last]);
    if last + 1 < argument.len() {
        return path;
    }
    match slash(path) {
        Some(last) => trim(&path[..=last]),
        None => b".",
    }
}

/// Without slashes at the end, but for one that is all there is.
fn trim(mut path: &[u8]) -> &[u8] {
    while let [rest @ .., b'/'] = path
        && !rest.is_empty()
    {
        path = rest;
    }
    path
}
