//! The view on made-up figures, the loop on a real runtime with keys from a test, and the program.

mod drawn;
mod made;
mod patience;
mod program;
mod stand;
mod steered;
mod tmux;
