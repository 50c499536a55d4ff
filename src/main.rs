//! The `evl` binary: a thin wrapper around the library.

fn main() {}
