//! The parser that pest makes from `grammar/evl.pest`.

#[derive(pest_derive::Parser)]
#[grammar = "grammar/evl.pest"]
pub(super) struct Grammar;
