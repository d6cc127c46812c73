//! Why a statement has no answer.

use std::fmt;

use crate::answer::Missing;
use crate::stop::Reason;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// SQLite would not run it on one database either.
    Statement(String),
    /// It cannot be split into one statement a shard, and why.
    Refused(String),
    /// These shards gave no answer.
    Shards(Vec<Missing>),
    Stopped(Reason),
    /// Something else, on our side.
    Other(String),
}

impl Failure {
    /// One word for programs.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Statement(_) => "statement",
            Self::Refused(_) => "refused",
            Self::Shards(_) => "shards",
            Self::Stopped(Reason::Deadline) => "deadline",
            Self::Stopped(Reason::Cancelled) => "cancelled",
            Self::Stopped(Reason::TooManyRows(_)) => "rows",
            Self::Other(_) => "other",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Statement(what) | Self::Other(what) => f.write_str(what),
            Self::Refused(why) => write!(f, "cannot be split between shards: {why}"),
            Self::Shards(missing) => {
                let mut separator = "";
                for missing in missing {
                    write!(f, "{separator}{missing}")?;
                    separator = "; ";
                }
                Ok(())
            }
            Self::Stopped(Reason::Deadline) => f.write_str("did not end before its deadline"),
            Self::Stopped(Reason::Cancelled) => f.write_str("was cancelled"),
            Self::Stopped(Reason::TooManyRows(most)) => {
                write!(
                    f,
                    "the shards have more than {most} rows for it: see --max-rows"
                )
            }
        }
    }
}
