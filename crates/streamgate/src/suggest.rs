//! "Did you mean …": the nearest known word to one that is not known.

/// The candidate that `word` was most likely meant to be, if any is near enough to be worth naming.
///
/// Dotted names also match by their last part, so that `message_size` finds `limits.message_size`.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, candidate), candidate))
        .filter(|(distance, _)| *distance <= tolerance(&word))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn distance(word: &str, candidate: &str) -> usize {
    let lower = candidate.to_lowercase();
    let whole = strsim::damerau_levenshtein(word, &lower);
    let (last, wanted) = (last_part(word), last_part(&lower));
    // A right last part in a wrong or missing section is one slip, however long the section's name is.
    if last.chars().count() >= LEAST_PART && wanted.len() < lower.len() {
        whole.min(1 + strsim::damerau_levenshtein(last, wanted))
    } else {
        whole
    }
}

fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// One slip in three letters, at least one, so that `kafak` is `kafka` and `colour` is nothing.
fn tolerance(word: &str) -> usize {
    (last_part(word).chars().count() / 3).max(1)
}

/// Shorter last parts say too little to be matched alone.
const LEAST_PART: usize = 4;

#[cfg(test)]
mod tests {
    use super::nearest;

    const KNOWN: [&str; 6] =
        ["listen", "admin_listen", "kafka.brokers", "kafka.linger_ms", "limits.message_size", "f1-data"];

    #[test]
    fn finds_the_nearest_or_nothing() {
        for (word, expected) in [
            ("lisen", Some("listen")),
            ("lsiten", Some("listen")),
            ("LISTEN", Some("listen")),
            ("kafka.broker", Some("kafka.brokers")),
            ("kafak.brokers", Some("kafka.brokers")),
            ("brokers", Some("kafka.brokers")),
            ("limits.linger_ms", Some("kafka.linger_ms")),
            ("limit.mesage_size", Some("limits.message_size")),
            ("f1-dta", Some("f1-data")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, KNOWN), expected, "{word}");
        }
    }
}
