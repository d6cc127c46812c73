//! When to end early: `--halt`.

use std::str::FromStr;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    Never,
    On {
        when: When,
        what: What,
        limit: Limit,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Running jobs are killed.
    Now,
    /// Running jobs may end.
    Soon,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Fail,
    Success,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    Count(u64),
    Percent(u64),
}

impl Limit {
    pub(crate) fn is_reached(self, count: u64, total: u64) -> bool {
        match self {
            Self::Count(limit) => count >= limit,
            Self::Percent(percent) => {
                u128::from(count) * 100 >= u128::from(total) * u128::from(percent)
            }
        }
    }
}

impl FromStr for Halt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let long = match text {
            "never" | "0" => return Ok(Self::Never),
            "1" => "soon,fail=1",
            "2" => "now,fail=1",
            "-1" => "soon,success=1",
            "-2" => "now,success=1",
            other => other,
        };
        let (when, rest) = match long.split_once(',') {
            Some(("now", rest)) => (When::Now, rest),
            Some(("soon", rest)) => (When::Soon, rest),
            None if long.ends_with('%') => {
                let limit = limit(long)?;
                let (when, what) = (When::Soon, What::Fail);
                return Ok(Self::On { when, what, limit });
            }
            _ => return Err("neither `never` nor `now,...` nor `soon,...`".to_owned()),
        };
        let (what, rest) = match rest.split_once('=') {
            Some(("fail", rest)) => (What::Fail, rest),
            Some(("success", rest)) => (What::Success, rest),
            Some(("done", rest)) => (What::Done, rest),
            _ => return Err("`fail=`, `success=` or `done=` has to follow".to_owned()),
        };
        let limit = limit(rest)?;
        Ok(Self::On { when, what, limit })
    }
}

fn limit(text: &str) -> Result<Limit, String> {
    let (digits, limit): (_, fn(u64) -> Limit) = match text.strip_suffix('%') {
        Some(digits) => (digits, Limit::Percent),
        None => (text, Limit::Count),
    };
    match digits.parse() {
        Ok(0) | Err(_) => Err("a number or a percentage, at least 1, has to follow".to_owned()),
        Ok(number) => Ok(limit(number)),
    }
}
