//! Rows of files written naively are the rows read, wherever the file is cut; what cannot be is rejected by its line.

use proptest::prelude::*;
use ways::csv::{Choices, Content, Cursor, Form, Item, MAX_ROW_BYTES, Mapping, Piece, Reason, Role, Unit, sniff};

/// What a file came to: events of rows by their numbers, and rejected lines.
#[derive(Debug, Clone, PartialEq, Default)]
struct Read {
    rows: Vec<(u64, String)>,
    rejected: Vec<(u64, u64, String)>,
    bytes: Vec<Vec<u8>>,
}

/// Reads a file in pieces of at most so many new bytes, as a client sends it.
fn read(mapping: &Mapping, file: &[u8], cuts: impl IntoIterator<Item = usize>) -> Read {
    let mut read = Read::default();
    let (mut cursor, mut start, mut end) = (None::<Cursor>, 0, 0);
    let mut cuts = cuts.into_iter();
    loop {
        end = cuts.next().map_or(file.len(), |cut| end + cut).min(file.len());
        let is_last = end == file.len();
        let input = &file[start..end];
        let Ok(mut piece) = Piece::begin(mapping, input, is_last, cursor) else {
            assert!(!is_last, "the first row is there in the end");
            continue;
        };
        let mut batches = mapping.batches();
        while let Some(item) = piece.next() {
            match item {
                Item::Row(row) => match batches.push(&row) {
                    Ok(()) => {}
                    Err(reason) => {
                        read.rejected.push((row.spot.row, row.spot.line, reason.to_string()));
                        read.bytes.push(input[row.spot.start..row.spot.end].to_vec());
                    }
                },
                Item::Oversized(long) => read.rejected.push((long.row, long.line, "long".to_owned())),
            }
            if let Some(batch) = batches.take() {
                let first = batch.rows().0;
                let Content::Json(rows) = batch.content else { panic!("rows as JSON") };
                read.rows.extend(rows.into_iter().map(|row| (first, row)));
            }
        }
        start += piece.consumed();
        cursor = Some(piece.cursor().to_string().parse().expect("what it wrote"));
        if is_last {
            assert_eq!(start, file.len());
            return read;
        }
    }
}

fn json(file: &[u8], choices: Choices) -> Mapping {
    sniff(file, true, &Choices { form: Form::Json, ..choices }).expect("a mapping").mapping
}

/// A cell as a careful writer puts it.
fn quoted(cell: &str, delimiter: char, always: bool) -> String {
    let must = cell.contains([delimiter, '"', '\n', '\r']);
    if must || always { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z ]{0,6}",
        proptest::collection::vec(
            prop_oneof![
                Just("\""),
                Just("\n"),
                Just("\r\n"),
                Just(","),
                Just(";"),
                Just("\t"),
                Just("é"),
                Just("🚀"),
                Just("x")
            ],
            0..8
        )
        .prop_map(|parts| parts.concat()),
        any::<i64>().prop_map(|number| number.to_string()),
    ]
}

proptest! {
    #[test]
    fn what_was_written_is_read_wherever_it_is_cut(
        rows in proptest::collection::vec(proptest::collection::vec(cell(), 3), 0..12),
        delimiter in prop_oneof![Just(','), Just(';'), Just('\t')],
        line_break in prop_oneof![Just("\n"), Just("\r\n")],
        always in any::<bool>(),
        ends_with_break in any::<bool>(),
        cuts in proptest::collection::vec(1_usize..9, 0..60),
    ) {
        let line = |cells: &[String]| cells.iter().map(|cell| quoted(cell, delimiter, always)).collect::<Vec<_>>().join(&delimiter.to_string());
        let names = ["a", "b", "c"].map(str::to_owned);
        let lines: Vec<_> = std::iter::once(line(&names)).chain(rows.iter().map(|row| line(row))).collect();
        let mut file = lines.join(line_break);
        if ends_with_break { file += line_break; }
        let choices = Choices { delimiter: Some(delimiter), strings: names.to_vec(), ..Choices::default() };
        let mapping = json(file.as_bytes(), choices);
        let expected: Vec<_> = rows.iter().zip(1..).map(|(row, number)| {
            let member = |(name, cell): (&String, &String)| {
                let value = if cell.is_empty() { "null".to_owned() } else { serde_json::to_string(cell).unwrap() };
                format!("\"{name}\":{value}")
            };
            (number, format!("{{{}}}", names.iter().zip(row).map(member).collect::<Vec<_>>().join(",")))
        }).collect();
        let whole = read(&mapping, file.as_bytes(), []);
        prop_assert_eq!(&whole.rows, &expected);
        prop_assert_eq!(&whole.rejected, &[]);
        prop_assert_eq!(read(&mapping, file.as_bytes(), cuts), whole);
    }

    #[test]
    fn any_bytes_come_to_the_same_wherever_they_are_cut(
        bytes in proptest::collection::vec(prop_oneof![Just(b'"'), Just(b'\n'), Just(b'\r'), Just(b','), Just(b'a'), Just(0xff), any::<u8>()], 0..80),
        cuts in proptest::collection::vec(1_usize..7, 0..60),
    ) {
        let file = [b"a,b\n", &*bytes].concat();
        let mapping = json(b"a,b\n", Choices::default());
        prop_assert_eq!(read(&mapping, &file, cuts), read(&mapping, &file, []));
    }
}

#[test]
fn rejected_rows_are_told_with_their_lines_and_the_others_are_kept() {
    let file =
        b"\xef\xbb\xbftime,speed,note\r\n1,7,\"a\nb\"\r\n\r\nx,8,c\r\n3,fast,d\r\n4,9\r\n5,10,\xff\r\n6,11,e,f\r\n7,,g";
    let choices = Choices { unit: Some(Unit::S), ..Choices::default() };
    let mapping = sniff(&file[..44], false, &Choices { form: Form::Json, ..choices }).unwrap().mapping;
    assert_eq!(
        mapping.columns.iter().map(|column| column.role).collect::<Vec<_>>(),
        [Role::Time, Role::Number, Role::String]
    );
    for cuts in [vec![], vec![1; file.len()], vec![7; file.len()]] {
        let read = read(&mapping, file, cuts);
        let expected = [
            (2, 5, "column 'time' holds 'x', which is no time in seconds"),
            (3, 6, "column 'speed' holds 'fast', which is no number; as a column of strings it could be taken"),
            (4, 7, "it has 2 cells instead of 3"),
            (5, 8, "column 'note' is not UTF-8"),
            (6, 9, "it has 4 cells instead of 3"),
        ];
        assert_eq!(read.rejected, expected.map(|(row, line, reason)| (row, line, reason.to_owned())));
        assert_eq!(read.bytes[0], b"x,8,c\r");
        let expected = [(1, r#"{"time":1,"speed":7,"note":"a\nb"}"#), (7, r#"{"time":7,"speed":null,"note":"g"}"#)];
        assert_eq!(read.rows, expected.map(|(row, text)| (row, text.to_owned())));
    }
}

#[test]
fn a_row_longer_than_a_row_may_be_is_rejected_however_many_pieces_it_takes() {
    for (name, long) in [
        ("plain", "y".repeat(3 * MAX_ROW_BYTES)),
        ("quoted", format!("\"{}\"", "z\n".repeat(2 * MAX_ROW_BYTES))),
        ("quotes in it", format!("\"{}\"", "z\"\"\n,".repeat(MAX_ROW_BYTES))),
        ("cells", format!("{}\"\n\"", "x,".repeat(2 * MAX_ROW_BYTES))),
    ] {
        let breaks = long.matches('\n').count() as u64;
        let file = format!("a,b\n1,2\n{long},3\n4,5\n\"6,7");
        let mapping = json(b"a,b\n1,2\n", Choices::default());
        for piece in [MAX_ROW_BYTES / 3, MAX_ROW_BYTES + 17, usize::MAX / 2] {
            let read = read(&mapping, file.as_bytes(), std::iter::repeat_n(piece, 100));
            let lines: Vec<_> = read.rejected.iter().map(|(row, line, _)| (*row, *line)).collect();
            assert_eq!(lines, [(2, 3), (4, 5 + breaks)], "{name} in pieces of {piece}");
            let rows: Vec<_> = read.rows.iter().map(|(row, text)| (*row, &**text)).collect();
            assert_eq!(rows, [(1, r#"{"a":1,"b":2}"#), (3, r#"{"a":4,"b":5}"#)], "{name} in pieces of {piece}");
        }
    }
}

#[test]
fn columns_are_what_the_first_rows_say_unless_told_otherwise() {
    let file = b"Time;speed;id;zip;note;empty;n;\n2026-01-01T00:00:00Z;1,5;9007199254740993;007;x;;1;a\n;;;;;;;\nnow;2;1;2;3;;4;5\n";
    let roles = |choices: Choices| {
        let sniffed = sniff(file, true, &choices).unwrap();
        sniffed.mapping.columns.into_iter().map(|column| (column.name, column.role)).collect::<Vec<_>>()
    };
    let names = |roles: [Role; 8]| {
        ["Time", "speed", "id", "zip", "note", "empty", "n", "column_8"]
            .map(str::to_owned)
            .into_iter()
            .zip(roles)
            .collect::<Vec<_>>()
    };
    use Role::{Number, Skip, String as Text, Tag, Time};
    assert_eq!(roles(Choices::default()), names([Time, Text, Text, Text, Text, Text, Number, Text]));
    let json = Choices { form: Form::Json, ..Choices::default() };
    assert_eq!(roles(json), names([Time, Text, Number, Text, Text, Text, Number, Text]), "JSON keeps all digits");
    let strings = ["n"].map(str::to_owned).to_vec();
    let chosen = Choices { strings, tags: vec!["note".into()], skip: vec!["zip".into()], ..Choices::default() };
    assert_eq!(roles(chosen), names([Time, Text, Text, Skip, Tag, Text, Text, Text]));
    let wrong = |choices: Choices| sniff(file, true, &choices).unwrap_err().to_string();
    assert!(
        wrong(Choices { time: Some("t".into()), ..Choices::default() }).contains("no column 't' among 'Time', 'speed'")
    );
    let twice = Choices { tags: vec!["n".into()], strings: vec!["n".into()], ..Choices::default() };
    assert_eq!(wrong(twice), "the column 'n' is chosen twice");
    let numbers = sniff(b"t,time\n1,1700000000\n", true, &Choices::default()).unwrap_err().to_string();
    assert!(
        numbers.contains("'time' holds numbers such as 1700000000; say what they are: s, ms, us or ns"),
        "{numbers}"
    );
    let chosen = Choices { unit: Some(Unit::Ms), ..Choices::default() };
    assert_eq!(sniff(b"time,a\n1700000000,1\n", true, &chosen).unwrap().likely_unit, Some(Unit::S));
}

#[test]
fn a_number_that_would_lose_digits_is_rejected_as_a_parameter_and_kept_as_an_event() {
    let file = b"time,id\n1,9007199254740992\n2,9007199254740993\n";
    for (form, rejected) in [(Form::Parameters, 1), (Form::Event, 0)] {
        let mapping =
            sniff(&file[..27], true, &Choices { unit: Some(Unit::Ns), form, ..Choices::default() }).unwrap().mapping;
        assert_eq!(mapping.columns[1].role, Role::Number);
        let mut piece = Piece::begin(&mapping, file, true, None).unwrap();
        let mut batches = mapping.batches();
        let mut reasons = Vec::new();
        while let Some(item) = piece.next() {
            let Item::Row(row) = item else { panic!("a row") };
            reasons.extend(batches.push(&row).err());
        }
        assert_eq!(reasons.len(), rejected, "{form:?}");
        match batches.take().unwrap().content {
            Content::Parameters(data) => {
                assert_eq!(
                    (&data.timestamps[..], &data.numeric[0].values[..]),
                    (&[1][..], &[Some(9_007_199_254_740_992.0)][..])
                );
                assert!(matches!(&reasons[0], Reason::TooManyDigits { text, .. } if text == "9007199254740993"));
            }
            Content::Events(events) => assert_eq!(events[1].value.as_deref(), Some(r#"{"id":9007199254740993}"#)),
            Content::Json(_) => panic!("events"),
        }
    }
}
