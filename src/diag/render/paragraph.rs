//! Text that fits the screen.

/// Writes `head` and `text`, broken between words at `width`; further lines begin `indent` columns in.
pub fn paragraph(out: &mut String, head: &str, indent: usize, text: &str, width: usize) {
    let mut column = head.chars().count();
    let mut line = String::from(head);
    let mut fresh = true;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if !fresh && column + 1 + length > width {
            out.push_str(line.trim_end());
            out.push('\n');
            line = " ".repeat(indent);
            (column, fresh) = (indent, true);
        }
        if !fresh {
            line.push(' ');
            column += 1;
        }
        line.push_str(word);
        column += length;
        fresh = false;
    }
    out.push_str(line.trim_end());
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_long_words_stand_alone() {
        let mut out = String::new();
        paragraph(&mut out, "  a: ", 5, "one two three four averyveryverylongword end", 14);
        assert_eq!(out, "  a: one two\n     three\n     four\n     averyveryverylongword\n     end\n");
        let mut empty = String::new();
        paragraph(&mut empty, "  head  ", 4, "", 20);
        assert_eq!(empty, "  head\n");
    }
}
