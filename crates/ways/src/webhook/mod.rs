//! Inbound webhooks: what others push to us, verified by their signature, acknowledged when durable.

mod config;

pub use config::WebhookConfig;
