//! `Fields`: the settings of one way, taken out of their table one by one, so that errors name them and nothing is overlooked.

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error};
use toml::{Table, Value};

/// A way's settings as a table: `[[webhooks]]`, `[[sources.poll]]`, `[[destinations.webhook]]`.
pub trait Entry: Sized {
    /// Takes all of them. Errors read on from the entry: `has no …`, `has a setting …`.
    fn from_fields(fields: &mut Fields) -> Result<Self, String>;

    /// Whether they fit together; asked when nothing unknown is left. Errors read on as well.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// All of a table, checked.
pub fn read<T: Entry>(table: Table) -> Result<T, String> {
    let mut fields = Fields::new(table);
    let taken = T::from_fields(&mut fields)?;
    fields.finish()?;
    taken.check().map(|()| taken)
}

/// What is left of a table.
#[derive(Debug)]
pub struct Fields {
    left: Table,
    /// What was asked for: what there is to be set.
    known: Vec<&'static str>,
}

impl Fields {
    /// All of a table.
    pub fn new(table: Table) -> Self {
        Self { left: table, known: Vec::new() }
    }

    /// A setting, if it is there.
    pub fn take<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<Option<T>, String> {
        self.known.push(name);
        let Some(value) = self.left.remove(name) else { return Ok(None) };
        let kind = value.type_str();
        value.try_into().map(Some).map_err(|error: toml::de::Error| match error.message() {
            ours if ours.starts_with("must ") => format!("has a setting `{name}` that {ours}"),
            // serde's own texts would show what stands there, which may be a secret.
            _ => format!("has a setting `{name}` of the wrong type: {kind}"),
        })
    }

    /// A setting that must be there.
    pub fn required<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<T, String> {
        self.take(name)?.ok_or_else(|| format!("has no `{name}`"))
    }

    /// A setting that is one or a list of several.
    pub fn one_or_more<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<Vec<T>, String> {
        match self.left.get_mut(name) {
            Some(Value::Array(_)) | None => {}
            Some(one) => *one = Value::Array(vec![one.clone()]),
        }
        Ok(self.take(name)?.unwrap_or_default())
    }

    /// Refuses what nobody has asked for.
    pub fn finish(self) -> Result<(), String> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(unknown) => Err(format!("has `{unknown}`, which is none of {}", self.known.join(", "))),
        }
    }
}

/// A list of entries, for `deserialize_with`. Errors begin with `cannot be taken`, and say which entry and setting they mean.
pub fn entries<'de, D: Deserializer<'de>, T: Entry>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let Value::Array(entries) = Value::deserialize(deserializer)? else {
        return Err(D::Error::custom("must be a list of tables, each below a line of its own in double brackets"));
    };
    let numbered = entries.into_iter().zip(1..).map(|(value, number)| {
        entry(value).map_err(|(label, problem)| {
            let label = label.map(|label| format!(" ({label:?})")).unwrap_or_default();
            D::Error::custom(format!("cannot be taken: number {number}{label} {problem}"))
        })
    });
    numbered.collect()
}

fn entry<T: Entry>(value: Value) -> Result<T, (Option<String>, String)> {
    let Value::Table(table) = value else { return Err((None, "is no table".to_owned())) };
    let label = label(&table);
    read(table).map_err(|problem| (label, problem))
}

/// By which people know the entry.
fn label(table: &Table) -> Option<String> {
    let text = |name| table.get(name).and_then(Value::as_str);
    ["name", "path"].into_iter().find_map(text).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Pointer, Secret};

    #[derive(Debug)]
    struct Sample {
        name: String,
        at: Option<Pointer>,
        secrets: Vec<Secret>,
    }

    impl Entry for Sample {
        fn from_fields(fields: &mut Fields) -> Result<Self, String> {
            Ok(Self { name: fields.required("name")?, at: fields.take("at")?, secrets: fields.one_or_more("secret")? })
        }
    }

    #[derive(Debug, serde::Deserialize)]
    struct File {
        #[serde(deserialize_with = "entries")]
        samples: Vec<Sample>,
    }

    #[test]
    fn entries_are_read() {
        let text = "[[samples]]\nname = 'a'\nsecret = 'x'\n[[samples]]\nname = 'b'\nat = '/a'\nsecret = ['x', 'y']";
        let File { samples } = toml::from_str(text).unwrap();
        let seen = samples.iter().map(|sample| (&*sample.name, sample.at.is_some(), sample.secrets.len()));
        assert_eq!(seen.collect::<Vec<_>>(), [("a", false, 1), ("b", true, 2)]);
    }

    #[test]
    fn errors_name_the_entry_and_the_setting_and_show_no_value() {
        for (text, error) in [
            ("[[samples]]\nname = 'a'\n[[samples]]\nat = '/a'", "cannot be taken: number 2 has no `name`"),
            (
                "[[samples]]\nname = 'a'\nat = 'x'",
                "cannot be taken: number 1 (\"a\") has a setting `at` that must be a JSON pointer such as \"/user/id\", not \"x\"",
            ),
            (
                "[[samples]]\nname = 'a'\ncolour = 'x'",
                "cannot be taken: number 1 (\"a\") has `colour`, which is none of name, at, secret",
            ),
            (
                "[[samples]]\nname = ['hidden']",
                "cannot be taken: number 1 has a setting `name` of the wrong type: array",
            ),
            (
                "[[samples]]\nname = 'a'\nsecret = [['hidden']]",
                "cannot be taken: number 1 (\"a\") has a setting `secret` that must be a text: the secret, \"${VARIABLE}\" or \"file:PATH\"",
            ),
            ("samples = ['x']", "cannot be taken: number 1 is no table"),
            ("samples = 'x'", "must be a list of tables, each below a line of its own in double brackets"),
        ] {
            assert_eq!(toml::from_str::<File>(text).unwrap_err().message(), error, "{text}");
        }
    }
}
