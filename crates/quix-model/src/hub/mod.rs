//! Arguments of the Reader hub's callbacks, made of packages. Source: Quix Streaming Reader API.

mod definitions_updated;
mod event_data_received;
mod number;
mod package_received;
mod parameter_data_received;

pub use definitions_updated::DefinitionsUpdated;
pub use event_data_received::EventDataReceived;
pub use package_received::PackageReceived;
pub use parameter_data_received::ParameterDataReceived;
