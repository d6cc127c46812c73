//! When to show how far a run is: `--progress`.

use clap::{Args, ValueEnum};

#[derive(Args, Clone, Copy, Debug)]
pub struct Progress {
    /// Show progress on standard error; auto: if that is a terminal
    #[arg(
        id = "progress",
        long = "progress",
        value_enum,
        value_name = "WHEN",
        default_value = "auto"
    )]
    pub when: When,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum When {
    Auto,
    Always,
    Never,
}
