//! All suites, one binary.
