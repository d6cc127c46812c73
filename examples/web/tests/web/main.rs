//! The server end to end, over loopback: in this process where a test holds its work in its hand, else as the program.

mod answers;
mod books;
mod endings;
mod full;
mod house;
mod images;
mod load;
mod process;
mod program;
