//! pushbench
fn main() {}
