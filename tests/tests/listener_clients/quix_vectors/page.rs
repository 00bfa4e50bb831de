//! `Page`: a page on a topic, that writes what callbacks tell of and notes what it is sent.

use std::collections::BTreeMap;

use e2e::client::HubClient;
use e2e::program::printed;
use e2e::wait::within;
use serde_json::{Value, json};

use super::callbacks::{of_event_received, of_package, of_parameter_data_received};
use crate::broker::Broker;

pub(crate) struct Page {
    client: HubClient,
    url: String,
    topic: String,
    packages: Vec<Value>,
}

/// Callbacks by stream.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) packages: BTreeMap<String, Vec<Value>>,
    pub(crate) parameters: BTreeMap<String, Vec<Value>>,
    pub(crate) events: BTreeMap<String, Vec<Value>>,
}

impl Page {
    /// One on a new topic.
    pub(crate) async fn of(broker: &mut Broker, topic: &str) -> Self {
        let url = broker.url().await;
        let client = HubClient::connect(&format!("{url}/hub")).await.unwrap();
        let page = Self { client, url, topic: topic.to_owned(), packages: Vec::new() };
        page.create(topic).await;
        page
    }

    pub(crate) async fn create(&self, topic: &str) {
        printed(&["topic", "create", topic, "--partitions", "1", "--url", &self.url], "").await;
    }

    /// To packages, and to all parameters and events.
    pub(crate) async fn subscribe(&self) {
        self.invoke("SubscribeToPackages", json!([self.topic])).await;
        self.invoke("SubscribeToParameter", json!([self.topic, "*", "*"])).await;
        self.invoke("SubscribeToEvent", json!([self.topic, "*", "*"])).await;
    }

    /// Notes what comes until so many streams are closed, and as much data has come as their packages have.
    pub(crate) async fn until_closed(&mut self, streams: usize) -> Seen {
        let mut seen = Seen::default();
        let is_whole = |seen: &Seen| {
            let told = |name| seen.packages.values().flatten().filter(|one| one["callback"] == name).count();
            let came = |of: &BTreeMap<_, Vec<_>>| of.values().map(Vec::len).sum::<usize>();
            told("closed") == streams
                && came(&seen.parameters) >= told("timeseries")
                && came(&seen.events) >= told("event")
        };
        while !is_whole(&seen) {
            let call = within("what was written", self.client.next_call()).await.unwrap();
            let (argument,): (Value,) = call.bind().unwrap();
            let (of, callbacks) = match call.target.as_str() {
                "PackageReceived" => (&mut seen.packages, of_package(&argument)),
                "ParameterDataReceived" => (&mut seen.parameters, vec![of_parameter_data_received(&argument)]),
                "EventDataReceived" => (&mut seen.events, vec![of_event_received(&argument)]),
                other => panic!("a call of {other}"),
            };
            of.entry(argument["streamId"].as_str().unwrap().to_owned()).or_default().extend(callbacks);
        }
        seen
    }

    /// The first packages of a stream.
    pub(crate) async fn packages_of(&mut self, stream_id: &str, count: usize) -> Vec<Value> {
        loop {
            let found = self.packages.iter().filter(|package| package["streamId"] == stream_id);
            let found: Vec<_> = found.take(count).cloned().collect();
            if found.len() == count {
                return found;
            }
            let call = within("a package", self.client.next_call_of("PackageReceived")).await.unwrap();
            let (package,) = call.bind().unwrap();
            self.packages.push(package);
        }
    }

    /// Writes what a callback tells of.
    pub(crate) async fn write(&self, stream: &str, callback: &Value) {
        let (topic, at) = (&self.topic, callback);
        match callback["callback"].as_str().unwrap() {
            "properties" => {
                let properties = json!({
                    "name": at["name"], "location": at["location"], "metadata": at["metadata"], "parents": at["parents"],
                    "timeOfRecording": at["time_of_recording"].as_str().map(|time| format!("{time}Z")),
                });
                self.invoke("UpdateStream", json!([topic, stream, properties])).await;
            }
            "parameter definitions" => {
                let definitions: Vec<_> = at["definitions"].as_array().unwrap().iter().map(definition).collect();
                self.invoke("UpdateParameterDefinitions", json!([topic, stream, definitions])).await;
            }
            "event definitions" => {
                let definitions: Vec<_> = at["definitions"].as_array().unwrap().iter().map(definition).collect();
                self.invoke("UpdateEventDefinitions", json!([topic, stream, definitions])).await;
            }
            "timeseries" => {
                let data = json!({
                    "timestamps": at["timestamps"], "numericValues": at["numeric"], "stringValues": at["string"],
                    "binaryValues": at["binary"], "tagValues": at["tags"],
                });
                self.invoke("SendParameterData", json!([topic, stream, data])).await;
            }
            "event" => {
                let event =
                    json!({ "id": at["id"], "timestamp": at["timestamp"], "value": at["value"], "tags": at["tags"] });
                self.invoke("SendEventData", json!([topic, stream, [event]])).await;
            }
            "closed" => self.invoke("CloseStream", json!([topic, stream])).await,
            other => panic!("a callback {other}"),
        }
    }

    async fn invoke(&self, method: &str, arguments: Value) {
        let answered = within(method, self.client.invoke(method, arguments.as_array().unwrap())).await;
        answered.unwrap_or_else(|error| panic!("{method} {arguments}: {error:?}"));
    }
}

/// As the hub takes it: members in camelCase, without those that are nothing.
fn definition(of_callback: &Value) -> Value {
    let name = |name: &str| {
        match name {
            "min" => "minimumValue",
            "max" => "maximumValue",
            "custom" => "customProperties",
            name => name,
        }
        .to_owned()
    };
    let members = of_callback.as_object().unwrap().iter().filter(|(_, value)| !value.is_null());
    members.map(|(member, value)| (name(member), value.clone())).collect()
}
