//! Comparing paths, which match in any case.

/// What follows `prefix`, if the path is that or below it: nothing, or `/` and more.
pub(crate) fn below<'p>(path: &'p str, prefix: &str) -> Option<&'p str> {
    let (start, rest) = path.split_at_checked(prefix.len())?;
    (start.eq_ignore_ascii_case(prefix) && (rest.is_empty() || rest.starts_with('/'))).then_some(rest)
}
