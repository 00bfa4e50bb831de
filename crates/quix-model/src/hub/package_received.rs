//! `PackageReceived`: the argument of the hub callback of that name.

use serde::Serialize;

/// One package as subscribers get it; members are serialised in this order, in camelCase.
///
/// Source: Quix Streaming Reader API, `PackageReceived`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageReceived<'a> {
    /// `<workspace>-<topic name>`.
    pub topic_id: &'a str,
    /// Short name of the topic.
    pub topic_name: &'a str,
    /// Stream the package belongs to; may be empty.
    pub stream_id: &'a str,
    /// [`Content::type_name`](crate::Content::type_name); called `type` on the wire.
    #[serde(rename = "type")]
    pub type_name: &'a str,
    /// [`Content::value`](crate::Content::value): JSON text, sent as a string that clients parse once more.
    pub value: &'a str,
    /// The broker's time of the record, as ISO 8601 text in UTC with `Z`.
    pub date_time: &'a str,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn members_are_camel_case_in_documented_order_and_the_value_is_a_string() {
        let received = PackageReceived {
            topic_id: "ws-f1-data",
            topic_name: "f1-data",
            stream_id: "s",
            type_name: "System.String",
            value: r#"{"x":"č"}"#,
            date_time: "2023-10-11T10:32:54Z",
        };
        let expected = concat!(
            r#"{"topicId":"ws-f1-data","topicName":"f1-data","streamId":"s","type":"System.String","#,
            r#""value":"{\"x\":\"č\"}","dateTime":"2023-10-11T10:32:54Z"}"#
        );
        assert_eq!(serde_json::to_string(&received).unwrap(), expected);
    }
}
