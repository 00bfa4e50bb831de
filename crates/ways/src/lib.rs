//! The ways in and out of a topic beside the hubs and the HTTP API: what others push to us, what we fetch, what we push.
//!
//! Nothing here writes by itself: a way makes [records](record) of what it gets, by the [`Rule`] in its settings, and hands
//! them to [`Append`], the server's own writes, whose limits, settings and metrics hold for it. It knows no SignalR
//! and no listener; of brokers only what a destination reads.
//!
//! | module | what |
//! |---|---|
//! | [`append`] | the seam behind which records are written |
//! | [`record`] | a JSON value and a rule → stream id and record; [`json`] and [`Pointer`] are its tools |
//! | [`fields`], [`secret`], [`units`] | how the settings of a way are read, secrets in them, durations and rates |
//! | [`webhook`] | inbound webhooks |
//! | [`csv`] | CSV files: rows, columns, pieces |
//! | [`fetch`] | requests that the server itself makes |
//! | [`poll`], [`destination`] | polling sources, outgoing webhooks |
//!
//! ```
//! use ways::{Circumstances, Json, Record, Rule};
//!
//! let rule: Rule = toml::from_str("event = '/type'\nkey = '/user'")?;
//! let body = Json::parse(br#"{"type": "signup", "user": 12345678901234567890}"#)?;
//! let made = rule.make(body, &Circumstances { stream_id: "segment", event: None, received: 1_697_025_689_418_406_001, max_name_bytes: 1024 })?;
//! assert_eq!(made.stream_id, "12345678901234567890");
//! let Record::Event(event) = made.record else { panic!("an event") };
//! assert_eq!((event.id.as_str(), event.value.as_deref()), ("signup", Some(body.text())));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod append;
mod chance;
pub mod csv;
pub mod destination;
pub mod fetch;
pub mod fields;
pub mod json;
pub mod metrics;
pub mod poll;
pub mod record;
pub mod secret;
mod stopping;
pub mod units;
pub mod webhook;

pub use append::{Append, AppendError, Durable, HandedOver};
pub use json::Json;
pub use quix_model::Pointer;
pub use record::{Circumstances, Made, Record, RecordError, Rule};
pub use secret::Secret;
