//! Names in SQL text.

/// A name as SQLite takes it whatever it contains. (A NUL is refused where tables are loaded.)
pub(crate) fn name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
