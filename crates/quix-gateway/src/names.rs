//! Names that clients make, and how long they may be.

use quix_model::{Located, Outgoing};

use crate::errors::WriteFailure;

/// Refuses a stream that could never be read, and names beyond the limit: of the stream, of parameters, events and tags.
pub(crate) fn check_names(stream_id: &str, outgoing: &Outgoing<'_>, limit: usize) -> Result<(), WriteFailure> {
    if stream_id == KEEP_ALIVE_KEY {
        return Err(WriteFailure::ReservedStream);
    }
    let check = |what: &'static str, name: &str| {
        if name.len() <= limit { Ok(()) } else { Err(WriteFailure::NameTooLong { what, limit }) }
    };
    check(STREAM_ID, stream_id)?;
    match outgoing {
        Outgoing::Events(events) => events.iter().try_for_each(|event| {
            check(EVENT_ID, &event.id)?;
            event.tags.iter().try_for_each(|(tag, _)| check(TAG, tag))
        }),
        Outgoing::ParameterData(data) => {
            data.parameter_ids().try_for_each(|id| check(PARAMETER_ID, id))?;
            data.tags.iter().try_for_each(|tag| check(TAG, &tag.id))
        }
        Outgoing::ParameterDefinitions(list) => list
            .iter()
            .filter_map(|Located { definition, .. }| definition.id.as_deref())
            .try_for_each(|id| check(PARAMETER_ID, id)),
        Outgoing::EventDefinitions(list) => list
            .iter()
            .filter_map(|Located { definition, .. }| definition.id.as_deref())
            .try_for_each(|id| check(EVENT_ID, id)),
        Outgoing::StreamProperties(properties) => {
            properties.parents.iter().try_for_each(|parent| check(STREAM_ID, parent))
        }
        Outgoing::StreamEnd(_) | Outgoing::Json(_) => Ok(()),
    }
}

const STREAM_ID: &str = "stream id";
const EVENT_ID: &str = "event id";
const PARAMETER_ID: &str = "parameter id";
const TAG: &str = "name of a tag";

/// Key of Quix's keep-alive records, which readers skip: a stream of that name could never be read.
const KEEP_ALIVE_KEY: &str = "___KA___";

#[cfg(test)]
mod tests {
    use quix_model::{Events, LocatedDefinitions, ParameterData, StreamEnd, StreamProperties};

    use super::*;

    const LIMIT: usize = 4;

    fn too_long(what: &'static str) -> Result<(), WriteFailure> {
        Err(WriteFailure::NameTooLong { what, limit: LIMIT })
    }

    #[test]
    fn names_of_every_model_are_checked() {
        let events = |json: &str| {
            let events: Events = serde_json::from_str(json).unwrap();
            check_names("s", &Outgoing::Events(&events), LIMIT)
        };
        assert_eq!(events(r#"[{"id":"1234","timestamp":1,"tags":{"1234":"long value"}}]"#), Ok(()));
        assert_eq!(events(r#"[{"id":"a","timestamp":1},{"id":"12345","timestamp":1}]"#), too_long(EVENT_ID));
        assert_eq!(events(r#"{"id":"a","timestamp":1,"tags":{"äää":""}}"#), too_long(TAG));

        let data = |json: &str| {
            let data: ParameterData = serde_json::from_str(json).unwrap();
            check_names("s", &Outgoing::ParameterData(&data), LIMIT)
        };
        for map in ["numericValues", "stringValues", "binaryValues"] {
            assert_eq!(data(&format!(r#"{{"timestamps":[],"{map}":{{"1234":[]}}}}"#)), Ok(()));
            assert_eq!(data(&format!(r#"{{"timestamps":[],"{map}":{{"12345":[]}}}}"#)), too_long(PARAMETER_ID));
        }
        assert_eq!(data(r#"{"timestamps":[],"tagValues":{"12345":[]}}"#), too_long(TAG));

        let parameters: LocatedDefinitions<_> = serde_json::from_str(r#"[{"id":"a"},{"id":"12345"}]"#).unwrap();
        assert_eq!(check_names("s", &Outgoing::ParameterDefinitions(&parameters.0), LIMIT), too_long(PARAMETER_ID));
        let events: LocatedDefinitions<_> = serde_json::from_str(r#"[{"id":"12345"}]"#).unwrap();
        assert_eq!(check_names("s", &Outgoing::EventDefinitions(&events.0), LIMIT), too_long(EVENT_ID));
        let child: StreamProperties = serde_json::from_str(r#"{"parents":["12345"]}"#).unwrap();
        assert_eq!(check_names("s", &Outgoing::StreamProperties(&child), LIMIT), too_long(STREAM_ID));

        let end = Outgoing::StreamEnd(StreamEnd::Closed);
        assert_eq!(check_names("12345", &end, LIMIT), too_long(STREAM_ID));
        assert_eq!(check_names("___KA___", &end, LIMIT), Err(WriteFailure::ReservedStream));
    }
}
