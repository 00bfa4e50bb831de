//! What the .NET library was called back with, beside what we read: both as the vectors spell it.

use quix_model::{Column, Timeseries};
use serde_json::{Map, Value, json};

/// Parameter data among some callbacks, without the tags that belong to no timestamp.
pub(crate) fn callbacks(callbacks: &[Value]) -> Vec<Value> {
    let members = ["epoch", "timestamps", "numeric", "string", "binary", "tags"];
    let data = callbacks.iter().filter(|callback| callback["callback"] == "timeseries");
    data.map(|callback| {
        let rows = callback["timestamps"].as_array().map_or(0, Vec::len);
        let mut data: Value = members.iter().map(|name| ((*name).to_owned(), callback[*name].clone())).collect();
        let tags = data["tags"].as_object_mut().into_iter().flat_map(|tags| tags.values_mut());
        tags.filter_map(Value::as_array_mut).for_each(|values| values.truncate(rows));
        data
    })
    .collect()
}

/// Not where we mend what .NET passes on as it is.
pub(crate) fn compares(case: &str) -> bool {
    !["short", "long", "null-column"].iter().any(|word| case.contains(word))
}

pub(crate) fn timeseries(timeseries: &Timeseries<'_>) -> Value {
    json!({
        "epoch": timeseries.epoch,
        "timestamps": timeseries.timestamps,
        "numeric": columns(&timeseries.numeric, |number| match *number {
            f64::INFINITY => json!("inf"),
            f64::NEG_INFINITY => json!("-inf"),
            number if number.is_nan() => json!("nan"),
            number => json!(number),
        }),
        "string": columns(&timeseries.strings, |text| json!(text)),
        "binary": columns(&timeseries.binary, |blob| json!(blob.base64())),
        "tags": columns(&timeseries.tags, |text| json!(text)),
    })
}

fn columns<T>(columns: &[Column<'_, T>], cell: impl Fn(&T) -> Value) -> Map<String, Value> {
    let cells = |column: &Column<'_, T>| column.values.iter().map(|value| value.as_ref().map(&cell)).collect();
    columns.iter().map(|column| (column.id.clone().into_owned(), cells(column))).collect()
}
