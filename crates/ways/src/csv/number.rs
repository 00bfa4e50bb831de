//! Numbers in cells: which texts are some, what a double keeps of them, and how JSON spells them.

/// The number that a cell holds, blanks around it not counted: `7`, `-1.5`, `+2`, `.5`, `5.`, `1e9`, `NaN`, `inf`.
/// Digits behind a zero, as in `007`, are no number but a text of digits.
pub(super) fn parse(text: &str) -> Option<f64> {
    let text = text.trim();
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let mut bytes = unsigned.bytes();
    match (bytes.next()?, bytes.next()) {
        (b'0', Some(b'0'..=b'9')) => None,
        (b'0'..=b'9', _) | (b'.', Some(b'0'..=b'9')) => text.parse().ok(),
        _ if is_word(unsigned) => text.parse().ok(),
        _ => None,
    }
}

/// Whether a double has all the digits of the text. It has those of every whole number up to 2⁵³; a number with a point or
/// an exponent is a measured one, of which the nearest double is what is meant.
pub(super) fn keeps_digits(text: &str, value: f64) -> bool {
    let text = text.trim();
    if text.len() <= EXACT_DIGITS || text.bytes().any(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'+')) {
        return true;
    }
    // A double beyond them all would become the greatest of them.
    text.parse::<i128>().is_ok_and(|whole| value < 2_f64.powi(127) && value as i128 == whole)
}

/// The number as JSON with the digits of the text; those that JSON has not, as texts. `text` is a number.
pub(super) fn append_json(out: &mut String, text: &str) {
    let text = text.trim();
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    if is_word(unsigned) {
        out.extend(["\"", text, "\""]);
        return;
    }
    out.push_str(sign);
    if unsigned.starts_with('.') {
        out.push('0');
    }
    match unsigned.find(['e', 'E']) {
        Some(place) if unsigned[..place].ends_with('.') => {
            out.extend([&unsigned[..place], "0", &unsigned[place..]]);
        }
        None if unsigned.ends_with('.') => out.extend([unsigned, "0"]),
        _ => out.push_str(unsigned),
    }
}

fn is_word(unsigned: &str) -> bool {
    ["nan", "inf", "infinity"].iter().any(|word| unsigned.eq_ignore_ascii_case(word))
}

/// Any whole number of so many digits is a double.
const EXACT_DIGITS: usize = 15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_from_texts() {
        for (text, value, json) in [
            ("7", 7.0, "7"),
            (" -1.50 ", -1.5, "-1.50"),
            ("+2", 2.0, "2"),
            (".5", 0.5, "0.5"),
            ("-.5", -0.5, "-0.5"),
            ("5.", 5.0, "5.0"),
            ("5.e3", 5000.0, "5.0e3"),
            ("1e9", 1e9, "1e9"),
            ("1E-3", 1e-3, "1E-3"),
            ("0", 0.0, "0"),
            ("0.10", 0.1, "0.10"),
            ("1e999", f64::INFINITY, "1e999"),
            ("inf", f64::INFINITY, "\"inf\""),
            ("-Infinity", f64::NEG_INFINITY, "\"-Infinity\""),
            ("9007199254740993", 9_007_199_254_740_992.0, "9007199254740993"),
        ] {
            assert_eq!(parse(text), Some(value), "{text}");
            let mut out = String::new();
            append_json(&mut out, text);
            assert_eq!(out, json, "{text}");
            assert!(serde_json::from_str::<&serde_json::value::RawValue>(&out).is_ok(), "{out}");
        }
        assert!(parse("NaN").is_some_and(f64::is_nan));
        for text in
            ["", " ", "-", "007", "-00", "1,5", "1_000", "0x10", "1e", "e5", "12a", "--1", ".", "+.", "1 2", "nano"]
        {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn whole_numbers_that_no_double_holds_are_noticed() {
        for (text, keeps) in [
            ("9007199254740992", true),
            ("9007199254740993", false),
            ("-9007199254740993", false),
            ("9007199254740994", true),
            ("9223372036854775807", false),
            ("9223372036854775808", true),
            ("100000000000000000000", true),
            ("100000000000000000001", false),
            ("170141183460469231731687303715884105727", false),
            ("340282366920938463463374607431768211456", false),
            ("0.1000000000000000055", true),
            ("1.7e308", true),
        ] {
            assert_eq!(keeps_digits(text, text.parse().unwrap()), keeps, "{text}");
        }
    }
}
