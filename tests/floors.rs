//! The floors of `ARCHITECTURE.md`: a module imports only from its own floor or from floors below, and modules make no circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// From the ground up. Modules of `src/`, by the first segment of their path.
const FLOORS: [&[&str]; 7] = [
    &["sync", "topology", "barrier", "forked"],
    &[
        "isolate",
        "hook",
        "panic",
        "outcome",
        "error",
        "summary",
        "roster",
        "health",
        "shutdown",
        "fault",
        "priority",
        "policy",
        "latency",
        "times",
        "event",
        "metrics",
        "scalability",
        "findings",
    ],
    &[
        "range",
        "admission",
        "classes",
        "seat",
        "hold",
        "waiter",
        "cancel",
        "entry",
        "board",
        "sleep",
        "slots",
        "ledger",
        "report",
        "costs",
        "timeline",
        "probe",
        "telemetry",
        "reporter",
        "timers",
        "lineage",
        "ring",
        "job",
        "forks",
        "closure",
        "tasks",
        "calls",
        "mail",
        "spares",
        "stewards",
        "crew",
        "region",
        "frame",
    ],
    &[
        "chair",
        "participation",
        "drive",
        "help",
        "wait",
        "stem",
        "intake",
        "delegate",
        "fork",
        "burst",
        "worker",
        "caller",
    ],
    &["master", "listener"],
    &["batch", "scope", "task", "broadcast", "blocking", "page"],
    &[
        "builder",
        "runtime",
        "spawning",
        "streaming",
        "observing",
        "serialized",
        "watching",
        "global",
        "dump",
        "current",
        "lib",
    ],
];

/// Who names whom: `use crate::NAME` and `crate::NAME::` outside of comments, doc links and tests.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&source, &mut files);
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a source file is readable");
        let code = text.split("#[cfg(all(test").next().unwrap_or("");
        let code = code.split("#[cfg(test)]").next().unwrap_or("");
        let used = imports.entry(module_of(&source, &file)).or_default();
        for line in code
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with("//"))
        {
            for after in line.split("crate::").skip(1) {
                let name: String = after
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                // Types named from the roof, as in `crate::Runtime`, only stand in docs.
                if name.starts_with(char::is_lowercase) {
                    used.insert(name);
                }
            }
        }
    }
    for (module, used) in &mut imports {
        used.remove(module);
    }
    imports
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("src is readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}

fn module_of(source: &Path, file: &Path) -> String {
    let inside = file.strip_prefix(source).expect("below src");
    let first = inside
        .components()
        .next()
        .expect("a file has a name")
        .as_os_str();
    first.to_string_lossy().trim_end_matches(".rs").to_owned()
}

fn floor_of(module: &str) -> usize {
    FLOORS
        .iter()
        .position(|floor| floor.contains(&module))
        .unwrap_or_else(|| {
            panic!("{module} stands on no floor: add it to tests/floors.rs and ARCHITECTURE.md")
        })
}

#[test]
fn no_module_imports_from_a_floor_above() {
    for (module, used) in imports() {
        for other in used {
            assert!(
                floor_of(&other) <= floor_of(&module),
                "{module} (floor {}) imports {other} (floor {})",
                floor_of(&module),
                floor_of(&other),
            );
        }
    }
}

#[test]
fn modules_make_no_circle() {
    let imports = imports();
    // Builder makes the runtime, and the runtime names its builder: the one pair that users see as one.
    let is_allowed = |from: &str, to: &str| (from, to) == ("runtime", "builder");
    let mut settled = BTreeSet::new();
    while settled.len() < imports.len() {
        let free: Vec<_> = imports
            .iter()
            .filter(|(module, used)| {
                !settled.contains(*module)
                    && used
                        .iter()
                        .all(|other| settled.contains(other) || is_allowed(module, other))
            })
            .map(|(module, _)| module.clone())
            .collect();
        let left: Vec<_> = imports
            .keys()
            .filter(|module| !settled.contains(*module))
            .collect();
        assert!(!free.is_empty(), "a circle among {left:?}");
        settled.extend(free);
    }
}

#[test]
fn only_sync_names_atomics_and_parking() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&source, &mut files);
    for file in files.iter().filter(|file| !file.ends_with("sync.rs")) {
        let text = fs::read_to_string(file).expect("a source file is readable");
        let code = text.split("#[cfg(all(test").next().unwrap_or("");
        for forbidden in ["std::sync::atomic", "thread::park", "catch_unwind("] {
            let allowed = forbidden.starts_with("catch") && file.ends_with("isolate.rs");
            assert!(
                allowed || !code.contains(forbidden),
                "{} names {forbidden}: go through `sync` or `isolate`",
                file.display(),
            );
        }
    }
}

#[test]
fn no_file_is_past_four_hundred_lines() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&source, &mut files);
    for file in files {
        let lines = fs::read_to_string(&file)
            .expect("a source file is readable")
            .lines()
            .count();
        assert!(
            lines <= 400,
            "{} has {lines} lines: something wants out",
            file.display()
        );
    }
}
