//! What the page shows against what was printed.

/// Whether all lines stand among the printed ones, in their order. `…` is anything, white space around a line is nothing.
pub fn shows(lines: &str, printed: &str) -> bool {
    let mut printed = printed.lines();
    lines.lines().all(|pattern| printed.any(|line| matches(pattern.trim(), line.trim())))
}

fn matches(pattern: &str, line: &str) -> bool {
    let mut pieces = pattern.split('…').map(str::trim);
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    for piece in pieces {
        let Some((_, behind)) = rest.split_once(piece) else { return false };
        rest = behind;
    }
    rest.ends_with(last)
}

#[test]
fn lines_are_found_in_order_and_dots_are_anything() {
    assert!(shows("a … d\ne", "x\n  a b c d\n\ne\n"));
    assert!(shows("…d\n", "a d"));
    assert!(shows("a…\n", "a d"));
    for (lines, printed) in
        [("a", "a b"), ("a…", "b a"), ("…a", "a b"), ("a…b…c", "a c b"), ("a…a", "a"), ("b\na", "a\nb"), ("a\na", "a")]
    {
        assert!(!shows(lines, printed), "{lines:?} in {printed:?}");
    }
}
