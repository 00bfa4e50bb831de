use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

const STORED: i64 = 7_000_000;

#[test]
fn rows_are_parameter_data() {
    let plain = RowRule::default();
    for (json, timestamps, numeric, strings) in [
        ("{}", json!([STORED]), json!({}), json!({})),
        (
            r#" {"a":1,"b":-2.5e3,"c":"x\n","d":true,"e":false,"f":null} "#,
            json!([STORED]),
            json!({"a":[1.0],"b":[-2500.0],"d":[1.0],"e":[0.0]}),
            json!({"c":["x\n"]}),
        ),
        (r#"{"a":{"b":{"c":1},"d":"x"},"e":{}}"#, json!([STORED]), json!({"a.b.c":[1.0]}), json!({"a.d":["x"]})),
        (r#"{"a":[1, {"b":2}],"e":[]}"#, json!([STORED]), json!({}), json!({"a":["[1, {\"b\":2}]"],"e":["[]"]})),
        (r#"{"a":1,"a":"x","b":"y","b":2}"#, json!([STORED]), json!({"b":[2.0]}), json!({"a":["x"]})),
        (r#"{"a":1,"a":null,"b":"y","b":null}"#, json!([STORED]), json!({}), json!({})),
        (r#"[{"a":1},{"a":2,"a":null}]"#, json!([STORED, STORED]), json!({"a":[1.0, null]}), json!({})),
        ("\u{feff}{\"a\":1}", json!([STORED]), json!({"a":[1.0]}), json!({})),
        (r#"{"v":[1,NaN]}"#, json!([STORED]), json!({}), json!({"v":["[1,NaN]"]})),
        (r#"{"a.b":1,"a":{"b":"x"}}"#, json!([STORED]), json!({}), json!({"a.b":["x"]})),
        ("[]", json!([]), json!({}), json!({})),
        (
            r#"[{"a":1},{"b":2},{"a":"x","b":3},{"a":4}]"#,
            json!([STORED, STORED, STORED, STORED]),
            json!({"a":[1.0,null,null,4.0],"b":[null,2.0,3.0,null]}),
            json!({"a":[null,null,"x",null]}),
        ),
    ] {
        let rows = read(&plain, json).unwrap();
        assert_eq!(shown(&rows), (timestamps, numeric, strings, json!({})), "{json}");
    }
    let python = read(&plain, r#"{"a":NaN,"b":-Infinity}"#).unwrap();
    assert!(python.numeric[0].values[0].unwrap().is_nan());
    assert_eq!(python.numeric[1].values, [Some(f64::NEG_INFINITY)]);
}

#[test]
fn time_and_tags_are_where_the_rule_says_and_no_parameters_too() {
    let rule = rule(Some(("/t", Some(Unit::Seconds))), &["/car/id", "/lap", "/ok", "/tyres/1", "/tyres", "/none"]);
    let json = r#"[{"t":5,"lap":3,"car":{"id":"x","speed":7},"ok":true,"tyres":["a",{"b":1}]},{"t":"5.5","lap":null},{"lap":"4"}]"#;
    assert_eq!(
        shown(&read(&rule, json).unwrap()),
        (
            json!([5_000_000_000_i64, 5_500_000_000_i64, STORED]),
            json!({"car.speed":[7.0, null, null]}),
            json!({}),
            json!({
                "car.id": ["x", null, null], "lap": ["3", null, "4"], "ok": ["true", null, null],
                "tyres.1": [r#"{"b":1}"#, null, null], "tyres": [r#"["a",{"b":1}]"#, null, null],
            })
        )
    );
}

#[test]
fn time_and_tags_are_found_beside_what_only_a_lenient_reader_takes() {
    let rule = rule(Some(("/ts", Some(Unit::Seconds))), &["/device", "/tags/1", "/shape"]);
    for beside in
        [r#""pos":{"x":NaN}"#, r#""v":[1,NaN]"#, "\"v\":[\"a\tb\"]", r#""v":[01]"#, r#""a":[[{"b":-Infinity}]]"#]
    {
        for json in [
            format!(r#"{{"ts":5,"device":"a","tags":[[NaN],"b"],"shape":{{"x":NaN}},{beside}}}"#),
            format!(r#"{{{beside},"shape":{{"x":NaN}},"tags":[[NaN],"b"],"device":"a","ts":5}}"#),
        ] {
            let rows = read(&rule, &json).unwrap();
            let tags = json!({"device": ["a"], "tags.1": ["b"], "shape": [r#"{"x":NaN}"#]});
            assert_eq!((shown(&rows).0, shown(&rows).3), (json!([5_000_000_000_i64]), tags), "{json}");
        }
    }
    assert_eq!(read(&rule, r#"{"ts":5,"v":[nul]}"#), Err(ReadProblem::NotJson));
}

#[test]
fn times_are_of_rfc_3339_or_of_a_unit() {
    let (text, millis) = (rule(Some(("/t", None)), &[]), rule(Some(("/t", Some(Unit::Milliseconds))), &[]));
    for (rule, json, timestamp) in [
        (&text, r#"{"t":"2023-10-11T12:01:29.418406001Z"}"#, Ok(1_697_025_689_418_406_001)),
        (&millis, r#"{"t":1697025689418.25}"#, Ok(1_697_025_689_418_250_000)),
        (&millis, r#"{"t":1,"t":2}"#, Ok(2_000_000)),
        (&text, r#"{"t":null}"#, Ok(STORED)),
        (&text, r#"{"x":{"t":1}}"#, Ok(STORED)),
        (&text, r#"{"t":5}"#, Err(ReadProblem::BadTimestamp)),
        (&text, r#"{"t":"yesterday"}"#, Err(ReadProblem::BadTimestamp)),
        (&millis, r#"{"t":"2023-10-11T12:01:29Z"}"#, Err(ReadProblem::BadTimestamp)),
        (&millis, r#"{"t":1e30}"#, Err(ReadProblem::BadTimestamp)),
        (&millis, r#"{"t":true}"#, Err(ReadProblem::BadTimestamp)),
        (&millis, r#"[{"t":1},{"t":[1]}]"#, Err(ReadProblem::BadTimestamp)),
    ] {
        assert_eq!(read(rule, json).map(|rows| rows.timestamps[0]), timestamp, "{json}");
    }
}

#[test]
fn what_is_no_rows_has_a_problem() {
    let nested = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
    assert!(read(&RowRule::default(), &nested(64)).is_ok());
    for (json, problem) in [
        ("", ReadProblem::NotJson),
        ("{", ReadProblem::NotJson),
        ("hello", ReadProblem::NotJson),
        (r#"{"a":1}{"a":2}"#, ReadProblem::NotJson),
        (r#"{"a":1,}"#, ReadProblem::NotJson),
        (r#"{"a":tru}"#, ReadProblem::NotJson),
        ("[{},", ReadProblem::NotJson),
        ("7", ReadProblem::NotRows),
        ("\"text\"", ReadProblem::NotRows),
        ("null", ReadProblem::NotRows),
        ("[1]", ReadProblem::NotRows),
        (r#"[{"a":1},[]]"#, ReadProblem::NotRows),
        (&nested(65), ReadProblem::NotRows),
        (&nested(100_000), ReadProblem::NotRows),
    ] {
        assert_eq!(read(&RowRule::default(), json), Err(problem), "{}", &json[..json.len().min(40)]);
    }
    let not_utf8 = RowRule::default().read(b"{\"a\":\"\xff\"}", STORED, &mut Budget::new(1000)).map(drop);
    assert_eq!(not_utf8, Err(ReadProblem::NotJson));
}

#[test]
fn what_is_filled_in_is_bounded() {
    let rows: Vec<_> = (0..4000).map(|number| format!("{{\"{number}\":1}}")).collect();
    let every_row_its_own_column = format!("[{}]", rows.join(","));
    assert_eq!(read(&RowRule::default(), &every_row_its_own_column), Err(ReadProblem::InflatedTooLarge));
    let members: Vec<_> = (0..4000).map(|number| format!("\"{number}\":1")).collect();
    let all = format!("{{{}}}", members.join(","));
    for empty_around in [format!("[{}{all}]", "{},".repeat(4000)), format!("[{all}{}]", ",{}".repeat(4000))] {
        assert_eq!(read(&RowRule::default(), &empty_around), Err(ReadProblem::InflatedTooLarge));
    }
    let long_names = format!("{{\"{}\":{{{}}}}}", "n".repeat(1000), members.join(","));
    assert_eq!(read(&RowRule::default(), &long_names), Err(ReadProblem::InflatedTooLarge));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = whole_rule().read(&bytes, STORED, &mut Budget::new(1 << 20));
    }

    #[test]
    fn no_text_near_json_makes_it_panic(text in r#"[\[\]{}",:0-9eEtan\\ u./-]{0,80}"#) {
        if let Ok(rows) = read(&whole_rule(), &text) {
            check(&rows)?;
        }
    }

    #[test]
    fn rows_are_as_the_plainest_flattening_has_them(
        objects in prop::collection::vec(prop::collection::btree_map("[a-d.]{0,3}", values(), 0..6), 0..5)
    ) {
        let objects: Vec<Map<_, _>> = objects.into_iter().map(|members| members.into_iter().collect()).collect();
        let (rule, json) = (RowRule::default(), json!(objects).to_string());
        let rows = read(&rule, &json).unwrap();
        check(&rows)?;
        prop_assert_eq!(rows.rows(), objects.len());
        for (row, object) in objects.iter().enumerate() {
            let mut expected = BTreeMap::new();
            flat("", object, &mut expected);
            let numbers = rows.numeric.iter().filter_map(|column| Some((&column.id, json!(column.values[row]?))));
            let texts = rows.strings.iter().filter_map(|column| Some((&column.id, json!(column.values[row].as_ref()?))));
            let found: BTreeMap<_, _> = numbers.chain(texts).map(|(name, value)| (name.to_string(), value)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}

/// What every reader of a timeseries relies on.
fn check(rows: &Timeseries<'_>) -> Result<(), TestCaseError> {
    for (id, length) in rows.column_lengths() {
        prop_assert_eq!(length, rows.rows(), "{}", id);
    }
    Ok(())
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
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-d.]{0,3}", inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn flat(above: &str, object: &Map<String, Value>, out: &mut BTreeMap<String, Value>) {
    for (member, value) in object {
        let name = if above.is_empty() { member.clone() } else { format!("{above}.{member}") };
        match value {
            Value::Object(inner) => flat(&name, inner, out),
            Value::Null => drop(out.remove(&name)),
            Value::Bool(flag) => drop(out.insert(name, json!(f64::from(*flag as u8)))),
            Value::Number(number) => drop(out.insert(name, json!(number.as_f64()))),
            Value::Array(_) => drop(out.insert(name, value.to_string().into())),
            Value::String(_) => drop(out.insert(name, value.clone())),
        }
    }
}

fn whole_rule() -> RowRule {
    rule(Some(("/t", Some(Unit::Nanoseconds))), &["/a", "/a/0", "/u/e", ""])
}

fn rule(timestamp: Option<(&str, Option<Unit>)>, tags: &[&str]) -> RowRule {
    let timestamp = timestamp.map(|(pointer, unit)| Time { pointer: pointer.parse().unwrap(), unit });
    RowRule::new(timestamp, tags.iter().map(|tag| tag.parse().unwrap()).collect())
}

/// With room for a million bytes that are not in the text.
fn read<'a>(rule: &'a RowRule, json: &'a str) -> Result<Timeseries<'a>, ReadProblem> {
    rule.read(json.as_bytes(), STORED, &mut Budget::new(1_000_000))
}

fn shown(rows: &Timeseries<'_>) -> (Value, Value, Value, Value) {
    let numeric: Map<_, _> = rows.numeric.iter().map(|column| (column.id.to_string(), json!(column.values))).collect();
    let texts = |columns: &[crate::model::Column<'_, std::borrow::Cow<'_, str>>]| {
        Value::Object(columns.iter().map(|column| (column.id.to_string(), json!(column.values))).collect())
    };
    (json!(rows.timestamps), Value::Object(numeric), texts(&rows.strings), texts(&rows.tags))
}
