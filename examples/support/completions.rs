//! Scripts that have a shell complete the command line: `--completions`.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::process;

use clap::builder::{EnumValueParser, PossibleValue, TypedValueParser};
use clap::{Arg, Args, Command, Error};
use clap_complete::{Shell, generate};

use super::message;
use super::reason::reason;
use crate::PROGRAM;

#[derive(Args, Clone, Copy, Debug)]
pub struct Completions {
    /// Print a script by which SHELL completes the flags of this program, and exit
    ///
    /// For bash, say: source <(PROGRAM --completions bash)
    #[arg(id = "completions", long = "completions", value_name = "SHELL", value_parser = Script)]
    script: Option<Infallible>,
}

/// Prints the script where the flag is parsed, and ends the program, as `--help` does: whatever else is there or missing.
#[derive(Clone, Copy, Debug)]
struct Script;

impl TypedValueParser for Script {
    type Value = Infallible;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<Infallible, Error> {
        let shell = EnumValueParser::<Shell>::new().parse_ref(command, arg, value)?;
        let mut script = Vec::new();
        generate(shell, &mut command.clone(), PROGRAM.name, &mut script);
        let mut out = io::stdout().lock();
        match out.write_all(&script).and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                message::say(&format!("standard output: {}", reason(&error)));
                process::exit(PROGRAM.failure.into())
            }
            _ => process::exit(0),
        }
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let parser = EnumValueParser::<Shell>::new();
        let values: Vec<_> = parser.possible_values()?.collect();
        Some(Box::new(values.into_iter()))
    }
}
