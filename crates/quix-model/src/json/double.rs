//! Doubles as .NET prints them: the shortest digits that read back as the same number, always with a fraction or exponent.

use std::io::Write;

/// Appends `7.0`, `1E+21`, `5E-324`, `-0.0`, or one of the texts `"NaN"`, `"Infinity"`, `"-Infinity"`.
///
/// The fraction makes the Python client yield a float for it, as for what .NET wrote.
pub(crate) fn append_double(out: &mut Vec<u8>, value: f64) {
    let magnitude = value.abs();
    if value.is_nan() {
        out.extend_from_slice(b"\"NaN\"");
    } else if magnitude.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"\"Infinity\"" } else { b"\"-Infinity\"" });
    } else if magnitude == 0.0 || (PLAIN_FROM..PLAIN_BELOW).contains(&magnitude) {
        append_plain(out, value);
    } else {
        append_extreme(out, value);
    }
}

/// Between these a number is written without exponent whatever its digits.
const PLAIN_FROM: f64 = 1e-4;
const PLAIN_BELOW: f64 = 1e15;

fn append_plain(out: &mut Vec<u8>, value: f64) {
    let fraction = if value.fract() == 0.0 { ".0" } else { "" };
    write!(out, "{value}{fraction}").expect(MEMORY);
}

/// A large integer is plain as long as none of its zeros at the end are made up; all else has an exponent of two digits or more.
fn append_extreme(out: &mut Vec<u8>, value: f64) {
    let start = out.len();
    write!(out, "{value:e}").expect(MEMORY);
    let Some(place) = out[start..].iter().position(|byte| *byte == b'e').map(|place| start + place) else { return };
    let exponent: i32 = out[place + 1..].iter().fold(0, |sum, byte| match byte {
        b'-' => sum,
        digit => sum * 10 + i32::from(digit - b'0'),
    });
    let negative = out[place + 1] == b'-';
    let digits = out[start..place].iter().filter(|byte| byte.is_ascii_digit()).count();
    if !negative && usize::try_from(exponent).is_ok_and(|exponent| exponent < digits) {
        out.truncate(start);
        append_plain(out, value);
    } else {
        out.truncate(place);
        write!(out, "E{}{exponent:02}", if negative { '-' } else { '+' }).expect(MEMORY);
    }
}

const MEMORY: &str = "memory takes every byte";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_spelt_as_dotnet_does() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (7.0, "7.0"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (0.0001, "0.0001"),
            (0.00099, "0.00099"),
            (0.00001, "1E-05"),
            (1e-7, "1E-07"),
            (-1.25e-10, "-1.25E-10"),
            (5e-324, "5E-324"),
            (999_999_999_999_999.0, "999999999999999.0"),
            (1e15, "1E+15"),
            (-1e21, "-1E+21"),
            (9_007_199_254_740_992.0, "9007199254740992.0"),
            (123_456_789_012_345_680.0, "1.2345678901234568E+17"),
            (1.6871805934271606e18, "1.6871805934271606E+18"),
            (f64::MAX, "1.7976931348623157E+308"),
            (f64::NAN, "\"NaN\""),
            (f64::INFINITY, "\"Infinity\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
        ] {
            let mut out = b"[".to_vec();
            append_double(&mut out, value);
            assert_eq!(str::from_utf8(&out[1..]), Ok(text));
            if value.is_finite() {
                assert_eq!(text.parse(), Ok(value));
            }
        }
    }
}
