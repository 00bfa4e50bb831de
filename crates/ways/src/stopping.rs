//! The word that the server stops.

use tokio::sync::watch;

/// Done when that is said, or nobody is there to say it. Cancel safe.
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}
