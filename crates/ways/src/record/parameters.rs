//! Parameter data of one JSON object: one row, a column per member, members of members flattened.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use quix_model::{Column, Timeseries};

use super::RecordError;
use super::make::tag;
use super::rule::Rule;
use crate::json::{Json, Kind};

/// Numbers and booleans (0 or 1) are numeric values, strings are string values, arrays are string values of their JSON text;
/// nulls and empty objects are left out, and so is what the rule takes for tags and time. Members of members are called by
/// both names with a dot between; of those of one name the last counts. Source of the names: pandas `json_normalize`.
pub(super) fn timeseries(
    rule: &Rule,
    value: Json<'_>,
    timestamp: i64,
    max_name_bytes: usize,
) -> Result<Timeseries<'static>, RecordError> {
    if value.kind() != Kind::Object {
        return Err(RecordError::NotAnObject(value.kind()));
    }
    let mut row = Row { taken: taken(rule), max_name_bytes, ..Row::default() };
    row.object(&mut String::new(), value)?;
    let (mut numeric, mut strings) = (Vec::new(), Vec::new());
    for (name, cell) in row.cells {
        match cell {
            Cell::Number(number) => numeric.push(column(name, number)),
            Cell::Text(text) => strings.push(column(name, Cow::Owned(text))),
        }
    }
    let tags = rule.tags.iter().filter_map(|pointer| Some(column(pointer.dotted(), Cow::Owned(tag(value, pointer)?))));
    Ok(Timeseries { epoch: 0, timestamps: vec![timestamp], numeric, strings, binary: Vec::new(), tags: tags.collect() })
}

/// Flattened names of what is no parameter.
fn taken(rule: &Rule) -> HashSet<String> {
    let pointers = rule.tags.iter().chain(rule.timestamp.as_ref().map(|time| &time.pointer));
    pointers.map(|pointer| pointer.dotted()).collect()
}

fn column<T>(name: String, value: T) -> Column<'static, T> {
    Column { id: Cow::Owned(name), values: vec![Some(value)] }
}

#[derive(Default)]
struct Row {
    taken: HashSet<String>,
    max_name_bytes: usize,
    /// In the order of first mention.
    cells: Vec<(String, Cell)>,
    places: HashMap<String, usize>,
}

enum Cell {
    Number(f64),
    Text(String),
}

impl Row {
    /// `name` is that of the object, and is so again at the end.
    fn object(&mut self, name: &mut String, object: Json<'_>) -> Result<(), RecordError> {
        let members = object.members().unwrap_or_default();
        let last: HashMap<&str, usize> =
            members.iter().zip(0..).map(|((member, _), place)| (&**member, place)).collect();
        for (place, (member, value)) in members.iter().enumerate() {
            if last[&**member] != place {
                continue;
            }
            let end = name.len();
            if !name.is_empty() {
                name.push('.');
            }
            name.push_str(member);
            // Names of objects within objects add up: a small body could come to any number of bytes.
            if name.len() > self.max_name_bytes {
                return Err(RecordError::NameTooLong { limit: self.max_name_bytes });
            }
            self.member(name, *value)?;
            name.truncate(end);
        }
        Ok(())
    }

    fn member(&mut self, name: &mut String, value: Json<'_>) -> Result<(), RecordError> {
        if self.taken.contains(name.as_str()) {
            return Ok(());
        }
        let cell = match value.kind() {
            Kind::Object => return self.object(name, value),
            Kind::Null => return Ok(()),
            Kind::Boolean => Cell::Number(if value.text() == "true" { 1.0 } else { 0.0 }),
            Kind::Text | Kind::Array => Cell::Text(value.into_text()),
            Kind::Number => {
                let number = value.text().parse::<f64>().ok().filter(|number| number.is_finite());
                Cell::Number(number.ok_or_else(|| RecordError::TooLarge { name: name.clone() })?)
            }
        };
        match self.places.get(name.as_str()) {
            Some(place) => self.cells[*place].1 = cell,
            None => {
                self.places.insert(name.clone(), self.cells.len());
                self.cells.push((name.clone(), cell));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;

    fn row(rule: &str, json: &str) -> Result<Timeseries<'static>, RecordError> {
        timeseries(&toml::from_str(rule).unwrap(), Json::parse(json.as_bytes()).unwrap(), 7, LONGEST)
    }

    const LONGEST: usize = 100;

    type Cells<T> = Vec<(String, T)>;

    /// Numbers and texts by name.
    fn seen(row: &Timeseries<'_>) -> (Cells<f64>, Cells<String>) {
        let numbers = row.numeric.iter().map(|column| (column.id.to_string(), column.values[0].unwrap()));
        let texts = row.strings.iter().map(|column| (column.id.to_string(), column.values[0].clone().unwrap().into()));
        (numbers.collect(), texts.collect())
    }

    #[test]
    fn members_become_parameters_by_their_kind() {
        for (json, numbers, texts) in [
            ("{}", &[][..], &[][..]),
            (
                r#"{"a":1,"b":-2.5e3,"c":"x","d":true,"e":false,"f":null}"#,
                &[("a", 1.0), ("b", -2500.0), ("d", 1.0), ("e", 0.0)],
                &[("c", "x")],
            ),
            (r#"{"a":{"b":{"c":1},"d":"x"},"e":{}}"#, &[("a.b.c", 1.0)], &[("a.d", "x")]),
            (r#"{"a":[1, {"b":2.10}],"n":"\u017e"}"#, &[], &[("a", r#"[1, {"b":2.10}]"#), ("n", "ž")]),
            (r#"{"a":1,"a":"x"}"#, &[], &[("a", "x")]),
            (r#"{"a":{"b":1},"a":{"c":2}}"#, &[("a.c", 2.0)], &[]),
            (r#"{"a.b":1,"a":{"b":"x"},"z":1}"#, &[("z", 1.0)], &[("a.b", "x")]),
            (r#"{"big":18446744073709551616}"#, &[("big", 18_446_744_073_709_551_616.0)], &[]),
        ] {
            let row = row("", json).unwrap();
            let owned = |names: &[(&str, &str)]| names.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect();
            let numbers = numbers.iter().map(|(name, number)| ((*name).into(), *number)).collect();
            assert_eq!(seen(&row), (numbers, owned(texts)), "{json}");
            assert_eq!(row.timestamps, [7], "{json}");
        }
    }

    #[test]
    fn tags_and_time_are_no_parameters_too() {
        let rule = "as = 'parameters'\ntags = ['/car/id', '/lap', '/none']\ntimestamp = { pointer = '/t', unit = 's' }";
        let row = row(rule, r#"{"t":5,"lap":3,"car":{"id":"x","speed":7}}"#).unwrap();
        assert_eq!(seen(&row), (vec![("car.speed".to_owned(), 7.0)], vec![]));
        let tags = row.tags.iter().map(|tag| (&*tag.id, tag.values[0].as_deref().unwrap()));
        assert_eq!(tags.collect::<Vec<_>>(), [("car.id", "x"), ("lap", "3")]);
    }

    #[test]
    fn only_objects_of_numbers_that_are_doubles_are_taken() {
        assert_eq!(
            row("", "[{}]").unwrap_err().to_string(),
            "it is an array, and parameters are made of the members of an object"
        );
        assert_eq!(row("", "7"), Err(RecordError::NotAnObject(Kind::Number)));
        let error = row("", r#"{"a":{"b":-1e400}}"#).unwrap_err().to_string();
        assert_eq!(error, "the number a.b is larger than a parameter can be");
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e300..1e300).prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[a-d.]{0,3}", inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// The plainest way to say it.
    fn flat(prefix: &str, object: &Map<String, Value>, out: &mut std::collections::BTreeMap<String, Value>) {
        for (name, value) in object {
            let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            match value {
                Value::Object(inner) => flat(&name, inner, out),
                Value::Null => {}
                Value::Bool(flag) => drop(out.insert(name, json!(f64::from(*flag as u8)))),
                Value::Number(number) => drop(out.insert(name, json!(number.as_f64()))),
                Value::Array(_) => drop(out.insert(name, value.to_string().into())),
                Value::String(_) => drop(out.insert(name, value.clone())),
            }
        }
    }

    #[test]
    fn names_that_add_up_to_more_than_anybody_reads_are_refused() {
        let nested = |length: usize| format!("{{\"{}\":{{\"b\":1}}}}", "a".repeat(length));
        assert!(row("", &nested(LONGEST - 2)).is_ok());
        let refused = row("", &nested(LONGEST - 1)).unwrap_err().to_string();
        assert_eq!(refused, "the names of objects within objects come to more than 100 bytes");
    }

    proptest! {
        #[test]
        fn rows_are_as_the_plainest_flattening_has_them(
            members in proptest::collection::btree_map("[a-d.]{0,3}", values(), 0..6)
        ) {
            let object: Map<String, Value> = members.into_iter().collect();
            let mut expected = std::collections::BTreeMap::new();
            flat("", &object, &mut expected);
            let (numbers, texts) = seen(&row("", &Value::Object(object).to_string()).unwrap());
            let numbers = numbers.into_iter().map(|(name, number)| (name, json!(number)));
            let texts = texts.into_iter().map(|(name, text)| (name, json!(text)));
            prop_assert_eq!(numbers.chain(texts).collect::<std::collections::BTreeMap<_, _>>(), expected);
        }
    }
}
