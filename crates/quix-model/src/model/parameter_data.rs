//! `ParameterData`: parameter data as clients send it.

use std::ops::Deref;

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::timeseries::Timeseries;
use crate::codec;
use crate::json::Spelled;

/// Parameter data of one call.
///
/// Deserialises from clients' JSON or MessagePack: members in any case, unknown ones ignored, the last of duplicates
/// counts; missing and null maps are empty, nulls in columns stay; lone surrogates become U+FFFD. Timestamps and `epoch`
/// are exact 64-bit integers, also as `1.6e18`. `timestamps` are required, and every column must be as long. Errors name
/// the member at fault and are meant to be shown to the caller. Source: Quix Streaming Writer API, `SendParameterData`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ParameterData(pub Timeseries<'static>);

impl Deref for ParameterData {
    type Target = Timeseries<'static>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<'de> Deserialize<'de> for ParameterData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Spelled::deserialize(deserializer)?;
        let timeseries = codec::timeseries_of_caller(json.as_str()).map_err(D::Error::custom)?;
        Ok(Self(timeseries.into_owned()))
    }
}
