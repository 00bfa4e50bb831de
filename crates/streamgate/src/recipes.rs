//! `RECIPES`: settings for connector engines of others, which move data between our topics and databases, MQTT, files. The texts
//! are those of the folder `recipes`, with a blank for the broker's address. The command `recipes` prints them.

/// Settings of an engine for one purpose.
#[derive(Debug)]
pub struct Recipe {
    /// Name of its folder.
    pub name: &'static str,
    /// From where to where, in a few words.
    pub moves: &'static str,
    /// What runs it.
    pub engine: Engine,
    /// Whether a test of ours runs it from end to end.
    pub tested: bool,
    /// The first is the one with the broker's address, where it is not the engine that finds it.
    pub files: &'static [File],
}

/// What runs a recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Telegraf of InfluxData; its settings are one file.
    Telegraf,
    /// Kafka Connect with connectors of Debezium; its settings are the worker's and the connector's.
    KafkaConnect,
}

/// A file of a recipe.
#[derive(Debug)]
pub struct File {
    /// Within the recipe's folder.
    pub name: &'static str,
    /// What is in it, the blank not filled in.
    pub text: &'static str,
}

impl Recipe {
    /// The one of a name, which is one of [`names`].
    pub fn of(name: &str) -> Option<&'static Self> {
        RECIPES.iter().find(|recipe| recipe.name == name)
    }

    /// A file of it.
    pub fn file(&self, name: &str) -> Option<&'static File> {
        self.files.iter().find(|file| file.name == name)
    }
}

impl Engine {
    /// Its name as people know it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Telegraf => "Telegraf",
            Self::KafkaConnect => "Kafka Connect",
        }
    }
}

impl File {
    /// Its text with the address of a Kafka broker, `host:port`, which must be [one](is_address).
    pub fn filled(&self, kafka: &str) -> String {
        self.text.replace(BLANK, kafka)
    }
}

/// What all are called.
pub fn names() -> impl Iterator<Item = &'static str> {
    RECIPES.iter().map(|recipe| recipe.name)
}

/// Whether a text is `host:port` of letters that mean themselves in each kind of file.
pub fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let host_is_good = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)),
    };
    host_is_good && port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

const BLANK: &str = "{{kafka}}";

macro_rules! files {
    ($recipe:literal: $($file:literal),*) => {
        &[$(File { name: $file, text: include_str!(concat!("../../../recipes/", $recipe, "/", $file)) }),*]
    };
}

macro_rules! recipe {
    ($name:literal, $engine:ident, $tested:literal, $moves:literal, $files:expr) => {
        Recipe { name: $name, moves: $moves, engine: Engine::$engine, tested: $tested, files: $files }
    };
}

macro_rules! telegraf {
    ($name:literal, $tested:literal, $moves:literal) => {
        recipe!($name, Telegraf, $tested, $moves, files!($name: "telegraf.conf", ".env.example", "README.md"))
    };
}

macro_rules! kafka_connect {
    ($name:literal, $tested:literal, $moves:literal) => {
        recipe!(
            $name,
            KafkaConnect,
            $tested,
            $moves,
            files!($name: "worker.properties", "connector.properties", ".env.example", "README.md")
        )
    };
}

/// All there are.
pub static RECIPES: [Recipe; 9] = [
    telegraf!("mqtt-source", true, "MQTT messages into a topic"),
    telegraf!("mqtt-sink", true, "a topic to MQTT"),
    telegraf!("postgres-sink", true, "JSON rows of a topic into a PostgreSQL table"),
    telegraf!("influxdb-sink", false, "JSON rows of a topic into InfluxDB"),
    telegraf!("files-source", true, "lines of files into a topic"),
    telegraf!("files-sink", true, "a topic into a file"),
    telegraf!("quix-output", true, "measurements in files into a topic, by the portal"),
    kafka_connect!("postgres-cdc", true, "changes of a PostgreSQL table into a topic"),
    kafka_connect!("jdbc-sink", false, "rows with a schema into a table by JDBC"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    #[test]
    fn each_folder_is_a_recipe_with_all_of_its_files() {
        let folders: BTreeSet<_> = entries(&folder()).into_iter().filter(|name| name != "README.md").collect();
        assert_eq!(folders, names().map(str::to_owned).collect());
        for recipe in &RECIPES {
            let files: BTreeSet<_> = recipe.files.iter().map(|file| file.name.to_owned()).collect();
            assert_eq!(entries(&folder().join(recipe.name)), files, "{}", recipe.name);
        }
    }

    #[test]
    fn the_broker_stands_in_the_first_file_only_and_once() {
        for recipe in &RECIPES {
            let counts: Vec<_> = recipe.files.iter().map(|file| file.text.matches(BLANK).count()).collect();
            let wanted = usize::from(recipe.name != ASKS_THE_PORTAL);
            assert_eq!((counts[0], counts[1..].iter().sum()), (wanted, 0), "{}", recipe.name);
            let filled = recipe.files[0].filled("kafka.example:19092");
            assert_eq!(filled.matches("kafka.example:19092").count(), wanted, "{filled}");
            assert!(!filled.contains(BLANK), "{filled}");
        }
    }

    #[test]
    fn each_variable_is_used_in_the_settings_has_an_example_and_is_explained() {
        for recipe in &RECIPES {
            let (help, settings): (Vec<_>, Vec<_>) =
                recipe.files.iter().partition(|file| [".env.example", "README.md"].contains(&file.name));
            let used: BTreeSet<_> = settings.iter().flat_map(|file| variables(file.text)).collect();
            let example = text(recipe, help[0].name);
            let examples = example.lines().filter(|line| !line.starts_with('#'));
            let examples: BTreeSet<_> = examples.map(|line| line.split_once('=').expect("NAME=value").0).collect();
            assert_eq!(used, examples, "{}", recipe.name);
            let rows = text(recipe, "README.md").lines().filter(|line| line.starts_with("| `"));
            let explained: BTreeSet<_> =
                rows.flat_map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2)).collect();
            assert_eq!(used, explained, "{}", recipe.name);
        }
    }

    #[test]
    fn each_page_says_what_it_moves_its_command_and_where_the_data_shows_up() {
        for recipe in &RECIPES {
            let page = text(recipe, "README.md");
            let is_untested = page.lines().next().unwrap().starts_with("**Untested: no test of ours runs this recipe");
            assert_eq!(is_untested, !recipe.tested, "{}", recipe.name);
            let mut headings = page.lines().filter(|line| line.starts_with('#'));
            let expected = [&format!("# {}", recipe.name), "## Variables", "## Start", "## Where the data shows up"];
            assert!(headings.by_ref().eq(expected), "{}", recipe.name);
            for file in recipe.files.iter().filter(|file| file.name != "README.md") {
                assert!(page.contains(file.name), "{}: {}", recipe.name, file.name);
            }
            let flag = if recipe.name == ASKS_THE_PORTAL { ">" } else { "--kafka" };
            assert!(page.contains(&format!("streamgate recipes show {} {flag}", recipe.name)), "{}", recipe.name);
        }
    }

    #[test]
    fn the_table_says_what_the_list_says() {
        let page = fs::read_to_string(folder().join("README.md")).unwrap();
        let rows = page.lines().filter(|line| line.starts_with("| ["));
        let rows: Vec<Vec<_>> =
            rows.map(|row| row.split(" | ").map(|cell| cell.trim_matches(['|', ' '])).collect()).collect();
        assert_eq!(rows.len(), RECIPES.len());
        for (row, recipe) in rows.iter().zip(&RECIPES) {
            assert_eq!(row[0], format!("[{0}]({0}/README.md)", recipe.name));
            assert_eq!(row[1], recipe.moves);
            assert_eq!(row[2].split(',').next(), Some(recipe.engine.name()));
            assert_eq!(row[3].starts_with("yes"), recipe.tested, "{row:?}");
        }
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for text in ["127.0.0.1:9092", "kafka-1.example:1", "[::1]:65535", "my_broker:9092"] {
            assert!(is_address(text), "{text}");
        }
        for text in [
            "",
            "kafka",
            ":9092",
            "kafka:",
            "kafka:0",
            "kafka:65536",
            "kafka:+1",
            "::1:9092",
            "[x]:1",
            "a\"b:1",
            "a b:1",
            "a:1,b:1",
        ] {
            assert!(!is_address(text), "{text}");
        }
    }

    /// Whose engine finds the broker by itself.
    const ASKS_THE_PORTAL: &str = "quix-output";

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes")
    }

    fn entries(folder: &Path) -> BTreeSet<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn text(recipe: &Recipe, name: &str) -> &'static str {
        recipe.file(name).unwrap_or_else(|| panic!("{}: {name}", recipe.name)).text
    }

    /// What stands in `${NAME}` and `${env:NAME}`.
    fn variables(text: &'static str) -> impl Iterator<Item = &'static str> {
        let inner = text.split("${").skip(1).map(|rest| rest.split('}').next().unwrap());
        inner.map(|name| name.trim_start_matches("env:"))
    }
}
