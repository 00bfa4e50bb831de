//! `Number`: a double as callbacks show it.

use serde::ser::{Serialize, Serializer};

/// A number as short as it can be: `11444`, not `11444.0`; in JSON the texts of Quix for what JSON has no number for.
pub(super) struct Number(pub(super) f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53
        let Self(number) = *self;
        let minus_zero = number == 0.0 && number.is_sign_negative();
        if number.fract() == 0.0 && number.abs() < EXACT && !minus_zero {
            serializer.serialize_i64(number as i64)
        } else if number.is_finite() || !serializer.is_human_readable() {
            serializer.serialize_f64(number)
        } else {
            serializer.serialize_str(match number {
                f64::INFINITY => "Infinity",
                f64::NEG_INFINITY => "-Infinity",
                _ => "NaN",
            })
        }
    }
}
