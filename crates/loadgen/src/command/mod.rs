//! What the program can do: one function per command, all of them free of any command line.

pub mod check;
pub mod init;
pub mod schema;
