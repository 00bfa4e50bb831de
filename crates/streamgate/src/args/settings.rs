//! Flags that set configuration, and the commands that are about it.

use std::path::PathBuf;

use clap::{Args as _, Subcommand};
use toml::Value;

use crate::config::{self, ConfigError, DEFAULT_FILE, FileChoice, Loaded, Origin, Setting, Sources};

/// `streamgate serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = PRECEDENCE)]
pub struct ServeArgs {
    /// Everything the server can be told.
    #[command(flatten)]
    pub flags: ConfigFlags,
}

/// Flags that set configuration.
#[derive(Debug, Default, clap::Args)]
pub struct ConfigFlags {
    /// Settings file [default: ./streamgate.toml if it exists]
    #[arg(long, value_name = "FILE", env = "STREAMGATE_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// Address of the hubs and the HTTP API [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<String>,
    /// Address of health, metrics and administration [default: 127.0.0.1:9090]
    #[arg(long, value_name = "ADDR:PORT")]
    pub admin_listen: Option<String>,
    /// Certificate of that address in PEM, for https and wss; with --tls-key
    #[arg(long, value_name = "FILE")]
    pub tls_certificate: Option<String>,
    /// Key of that certificate in PEM
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<String>,
    /// Folder to keep topics in [default: ./streamgate-data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<String>,
    /// Kafka brokers to keep topics in, instead of a folder
    #[arg(long, value_name = "HOST:PORT,…")]
    pub kafka: Option<String>,
    /// Keep topics in memory only; they end with the process
    #[arg(long)]
    pub memory: bool,
    /// Address where Kafka clients find the topics of the folder [default: 127.0.0.1:9092, if it is free]
    #[arg(long, value_name = "ADDR:PORT|off")]
    pub kafka_listen: Option<String>,
    /// Address by which Kafka clients reach that listener [default: the one they connected to]
    #[arg(long, value_name = "HOST:PORT")]
    pub kafka_advertised: Option<String>,
    /// Make unknown topics at the first write or subscription [default: only on loopback without Kafka]
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub create_topics: Option<bool>,
    /// Serve other machines without authentication: whoever reaches the server may read and write everything
    #[arg(long)]
    pub insecure_no_auth: bool,
}

/// What changes a setting: its flag, if it has one.
pub(crate) fn changed_by(setting: &str) -> String {
    let flag = setting.replace(['_', '.'], "-");
    let flags = ConfigFlags::augment_args(clap::Command::new("serve"));
    let has_flag = flags.get_arguments().any(|argument| argument.get_long() == Some(&flag));
    if has_flag { format!("--{flag}") } else { format!("the setting {setting}") }
}

impl ConfigFlags {
    /// The configuration of this process: these flags over its environment over the settings file.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        let file = match &self.config {
            Some(path) => FileChoice::Named(path.clone()),
            None => FileChoice::IfPresent(DEFAULT_FILE.into()),
        };
        config::load(Sources { flags: self.settings(), environment: std::env::vars_os().collect(), file })
    }

    /// The settings that were given as flags.
    pub fn settings(&self) -> Vec<Setting> {
        let text = |value: &Option<String>| value.clone().map(Value::String);
        let flags = [
            ("listen", "--listen", text(&self.listen)),
            ("admin_listen", "--admin-listen", text(&self.admin_listen)),
            ("tls.certificate", "--tls-certificate", text(&self.tls_certificate)),
            ("tls.key", "--tls-key", text(&self.tls_key)),
            ("data", "--data", text(&self.data)),
            ("kafka.brokers", "--kafka", text(&self.kafka)),
            ("memory", "--memory", self.memory.then_some(Value::Boolean(true))),
            ("kafka_listen", "--kafka-listen", text(&self.kafka_listen)),
            ("kafka_advertised", "--kafka-advertised", text(&self.kafka_advertised)),
            ("create_topics", "--create-topics", self.create_topics.map(Value::Boolean)),
            ("auth.insecure_no_auth", "--insecure-no-auth", self.insecure_no_auth.then_some(Value::Boolean(true))),
        ];
        let given = |(key, flag, value): (&str, &'static str, Option<Value>)| {
            Some(Setting { key: key.to_owned(), value: value?, origin: Origin::Flag(flag) })
        };
        flags.into_iter().filter_map(given).collect()
    }
}

/// A settings file.
#[derive(Debug, Default, clap::Args)]
pub struct ConfigFile {
    /// Settings file [default: ./streamgate.toml if it exists]
    #[arg(long, value_name = "FILE", env = "STREAMGATE_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
}

impl ConfigFile {
    /// The configuration of this process, without flags.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        ConfigFlags { config: self.config.clone(), ..ConfigFlags::default() }.load()
    }
}

/// `streamgate config`.
#[derive(Debug, clap::Args)]
pub struct ConfigArgs {
    /// What to do with the configuration.
    #[command(subcommand)]
    pub command: ConfigCommand,
}

/// The commands about the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the settings in force as TOML, secrets as ***
    #[command(after_help = PRECEDENCE)]
    Show {
        /// Add to each value where it came from
        #[arg(long)]
        origin: bool,
        /// As for `serve`.
        #[command(flatten)]
        flags: ConfigFlags,
    },
    /// Say whether `serve` would take the settings
    #[command(after_help = PRECEDENCE)]
    Check {
        /// As for `serve`.
        #[command(flatten)]
        flags: ConfigFlags,
    },
}

const PRECEDENCE: &str = "Flags win over the environment (STREAMGATE_KAFKA__BROKERS is kafka.brokers), \
that over the settings file, that over the defaults; `streamgate config show --origin` prints the outcome.";
