//! What a group has committed is kept while it has members, however quiet its topics are. Source: Apache Kafka, KIP-211.

use std::{collections::HashSet, time::Duration};

use crate::listener::node::Node;

/// Says now and then that groups with members are not silent; never ends.
pub(in crate::listener) async fn keep_offsets(node: &Node) {
    let pause = (node.log.options().offsets_retention / 4).clamp(SHORTEST, LONGEST);
    loop {
        tokio::time::sleep(pause).await;
        let mut alive = HashSet::new();
        node.groups.each(|group, _| _ = alive.insert(group.clone()));
        for group in node.log.groups().into_iter().filter(|group| alive.contains(group.as_str())) {
            if let Err(error) = node.log.commit_offsets(&group, Vec::new()).await {
                tracing::debug!(group, %error, "a group counts as silent until the next time");
            }
        }
    }
}

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(24 * 3600);
