//! `Mapping`: what each column of a file is, and what its rows become.

use serde::{Deserialize, Serialize};

use super::batch::Batches;
use super::rows::MAX_CELLS;
use super::time::Unit;

/// What the rows of a file become, decided before the first is written. As JSON it goes with an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mapping {
    /// Between cells: `,`, `;` or a tab.
    pub delimiter: char,
    /// What rows become.
    #[serde(rename = "as")]
    pub form: Form,
    /// In the order of the file, with their names in its first row.
    pub columns: Vec<Column>,
    /// How the cells of the time column are written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// Id of the events that rows become. Default `row`.
    #[serde(default = "default_event_id")]
    pub event_id: String,
    /// Rows of one record, at most. Default 1,000.
    #[serde(default = "default_rows")]
    pub rows: usize,
}

/// A column of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Of the parameter, tag or member that it becomes.
    pub name: String,
    /// What it is.
    pub role: Role,
}

/// What a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The time of the row; one column at most.
    Time,
    /// A text that qualifies the row.
    Tag,
    /// Numbers, and cells that are empty.
    Number,
    /// Texts.
    String,
    /// Left out.
    Skip,
}

/// What rows become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Parameter data: many rows in a record, a parameter for each column.
    #[default]
    Parameters,
    /// Events, many in a record; the value of each is the row as a JSON object.
    Event,
    /// A JSON object as it is, a record for each row.
    Json,
}

/// Why a file cannot be imported so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MappingError(String);

impl Mapping {
    /// Whether rows can be made by it.
    ///
    /// # Errors
    /// What is wrong, as a sentence for whoever chose the columns.
    pub fn check(&self) -> Result<(), MappingError> {
        let bad = |problem: String| Err(MappingError(problem));
        if !matches!(self.delimiter, ',' | ';' | '\t') {
            return bad(format!("cells are divided by a comma, a semicolon or a tab, not by {:?}", self.delimiter));
        }
        if !(1..=MAX_ROWS).contains(&self.rows) {
            return bad(format!("a record holds 1 to {MAX_ROWS} rows"));
        }
        if self.columns.len() > MAX_CELLS {
            return bad(format!("there are {} columns; at most {MAX_CELLS} can be imported", self.columns.len()));
        }
        let mut all_names = self.columns.iter().map(|column| &column.name).chain([&self.event_id]);
        if let Some(long) = all_names.find(|name| name.len() > MAX_NAME_BYTES) {
            let beginning: String = long.chars().take(20).collect();
            return bad(format!("the name that begins with '{beginning}' is longer than {MAX_NAME_BYTES} bytes"));
        }
        let mut names: Vec<_> = self.columns.iter().map(|column| &column.name).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return bad(format!("two columns are called '{}'", twice[0]));
        }
        match (self.of_role(Role::Time).count(), self.unit, self.form) {
            (0, _, Form::Json) | (1, Some(_), _) => {}
            (0, ..) => return bad(format!("no column is the time; name one of {}", self.names())),
            (1, None, _) => return bad("the unit of the time column is missing: s, ms, us, ns or rfc3339".to_owned()),
            _ => return bad("more than one column is the time".to_owned()),
        }
        let is_data = |column: &&Column| matches!(column.role, Role::Number | Role::String);
        if self.form == Form::Parameters && !self.columns.iter().any(|column| is_data(&column)) {
            return bad("no column is a parameter".to_owned());
        }
        Ok(())
    }

    /// About how much memory it takes, in bytes.
    pub fn size(&self) -> usize {
        let names: usize = self.columns.iter().map(|column| column.name.len() + size_of::<Column>()).sum();
        size_of::<Self>() + self.event_id.len() + names
    }

    /// Collects rows into what is written.
    pub fn batches(&self) -> Batches<'_> {
        Batches::new(self)
    }

    pub(super) fn delimiter_byte(&self) -> u8 {
        u8::try_from(self.delimiter).unwrap_or(b',')
    }

    pub(super) fn of_role(&self, role: Role) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(move |column| column.role == role)
    }

    /// For a sentence.
    fn names(&self) -> String {
        let names: Vec<_> = self.columns.iter().map(|column| format!("'{}'", column.name)).collect();
        names.join(", ")
    }
}

fn default_event_id() -> String {
    DEFAULT_EVENT_ID.to_owned()
}

fn default_rows() -> usize {
    DEFAULT_ROWS
}

pub(super) const DEFAULT_EVENT_ID: &str = "row";
pub(super) const DEFAULT_ROWS: usize = 1_000;
const MAX_ROWS: usize = 100_000;
/// Of a column or an event.
const MAX_NAME_BYTES: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_told() {
        let column = |name: &str, role| Column { name: name.to_owned(), role };
        let good = Mapping {
            delimiter: ',',
            form: Form::Parameters,
            columns: vec![column("t", Role::Time), column("a", Role::Number)],
            unit: Some(Unit::Ms),
            event_id: "row".to_owned(),
            rows: 1000,
        };
        assert_eq!(good.check(), Ok(()));
        let with = |change: fn(&mut Mapping)| {
            let mut mapping = good.clone();
            change(&mut mapping);
            mapping.check().unwrap_err().to_string()
        };
        for (problem, part) in [
            (with(|mapping| mapping.delimiter = '|'), "not by '|'"),
            (with(|mapping| mapping.rows = 0), "1 to 100000 rows"),
            (with(|mapping| mapping.columns[1].name = "t".to_owned()), "two columns are called 't'"),
            (with(|mapping| mapping.columns[0].role = Role::Skip), "name one of 't', 'a'"),
            (with(|mapping| mapping.columns[1].role = Role::Time), "more than one"),
            (with(|mapping| mapping.columns[1].role = Role::Tag), "no column is a parameter"),
            (
                with(|mapping| mapping.columns[1].name = "é".repeat(513)),
                "'éééééééééééééééééééé' is longer than 1024 bytes",
            ),
            (with(|mapping| mapping.event_id = "x".repeat(1025)), "is longer than 1024 bytes"),
            (
                with(|mapping| mapping.columns = vec![mapping.columns[1].clone(); 4097]),
                "there are 4097 columns; at most 4096",
            ),
            (with(|mapping| mapping.unit = None), "the unit of the time column is missing"),
        ] {
            assert!(problem.contains(part), "{problem}");
        }
        let json = serde_json::to_string(&good).unwrap();
        assert_eq!(serde_json::from_str::<Mapping>(&json).unwrap(), good, "{json}");
    }
}
