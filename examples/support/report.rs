//! What became of a batch, or what a runtime has done, as a page: `--report`.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::builder::TypedValueParser;
use clap::{Arg, Args, Command, Error};
use ganger::{Builder, Runtime};

#[derive(Args, Clone, Debug, Default)]
pub struct Report {
    /// Write a report of the run to FILE as HTML: what was slow, what failed, who did what
    ///
    /// One file that needs no other and no network, with the timeline. FILE is replaced. The program must have been built with the feature
    /// report.
    #[arg(id = "report", long = "report", value_name = "FILE", value_parser = Page)]
    pub to: Option<PathBuf>,
}

impl Report {
    /// The page shows the timeline, and of a runtime its figures: they have to be recorded.
    pub fn watch(&self, builder: Builder) -> Builder {
        match self.to {
            Some(_) => builder.metrics(true).trace(ganger::Trace::default()),
            None => builder,
        }
    }

    /// Writes the page of a batch, if that was asked for. Items are called as `label` says, errors as `explain` does.
    #[cfg(feature = "report")]
    pub fn write<R, E>(
        &self,
        report: &ganger::Report<R, E>,
        label: impl Fn(usize) -> String,
        explain: impl Fn(&E) -> String,
    ) -> Result<(), String> {
        let Some(to) = &self.to else {
            return Ok(());
        };
        let page = report.page().labels(label).errors(explain);
        page.save(to)
            .map_err(|error| super::message::about(to, &error))
    }

    /// Writes the page of a runtime, if that was asked for: of a program that has many batches, or none.
    #[cfg(feature = "report")]
    pub fn write_of(&self, runtime: &Runtime) -> Result<(), String> {
        let Some(to) = &self.to else {
            return Ok(());
        };
        runtime
            .save_html(crate::PROGRAM.name, to)
            .map_err(|error| super::message::about(to, &error))
    }

    /// The flag was refused. So it was below.
    #[cfg(not(feature = "report"))]
    pub fn write<R, E>(
        &self,
        _report: &ganger::Report<R, E>,
        _label: impl Fn(usize) -> String,
        _explain: impl Fn(&E) -> String,
    ) -> Result<(), String> {
        Ok(())
    }

    #[cfg(not(feature = "report"))]
    pub fn write_of(&self, _runtime: &Runtime) -> Result<(), String> {
        Ok(())
    }
}

/// Refuses the file before anything is done, where the program cannot write it.
#[derive(Clone, Copy, Debug)]
struct Page;

impl TypedValueParser for Page {
    type Value = PathBuf;

    #[cfg(feature = "report")]
    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<PathBuf, Error> {
        clap::builder::PathBufValueParser::new().parse_ref(command, arg, value)
    }

    #[cfg(not(feature = "report"))]
    fn parse_ref(
        &self,
        command: &Command,
        _arg: Option<&Arg>,
        _value: &OsStr,
    ) -> Result<PathBuf, Error> {
        let name = crate::PROGRAM.name;
        let text = format!(
            "--report needs the feature report: cargo run --release --features report --example {name} -- --report FILE ..."
        );
        let error = Error::raw(clap::error::ErrorKind::InvalidValue, text);
        Err(error.with_cmd(command))
    }
}
