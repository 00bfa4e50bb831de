//! Inbound webhooks: what others push to us, verified by their signature, acknowledged when durable.
//!
//! [`Webhooks::at`] finds one by its path, [`Webhook::receive`] takes a delivery and gives the answer; the edge that speaks
//! HTTP is the caller's.

mod config;
mod encoding;
mod mac;
mod preset;
mod rate;
mod receive;
mod replay;
mod scheme;
mod sign;
#[cfg(test)]
mod tests;
mod verify;

pub use config::{Content, WebhookConfig, WebhookError};
pub use encoding::Encoding;
pub use mac::Hash;
pub use preset::{Place, Preset};
pub use receive::{Answer, Delivery, Webhook, Webhooks};
pub use scheme::{Layout, Part, Scheme, Template};
pub use sign::{Sent, sign};
pub use verify::{Refusal, Signature, Verifier};
