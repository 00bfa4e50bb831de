//! `Subscription`: what a connection wants of a topic, as it asked for it.

use std::sync::Arc;

use quix_model::Model;

/// One subscription of a connection; asked for twice it is one. Ordered so that all of a kind and stream lie together,
/// those of all ids first.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Subscription {
    pub(crate) kind: Kind,
    pub(crate) stream: Select,
    pub(crate) id: Select,
    pub(crate) scope: Scope,
}

/// What is subscribed to, one callback each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Whole packages, of every stream.
    Packages,
    /// Parameters, by id.
    Parameters,
    /// Events, by id.
    Events,
    /// A stream's definitions of parameters, all ids.
    ParameterDefinitions,
    /// A stream's definitions of events, all ids.
    EventDefinitions,
}

/// One by its exact name, or all there are: `*`, the only wildcard.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Select {
    All,
    One(Arc<str>),
}

/// How the topic was named. A subscription to `*` is not one to a topic of it: each is ended by its own name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Scope {
    Topic,
    AllTopics,
}

impl Scope {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Topic => Self::AllTopics,
            Self::AllTopics => Self::Topic,
        }
    }
}

impl Kind {
    /// All, in the order of their numbers.
    pub(crate) const ALL: [Self; 5] =
        [Self::Packages, Self::Parameters, Self::Events, Self::ParameterDefinitions, Self::EventDefinitions];

    /// Who may want a package of this model, besides those who want all packages.
    pub(crate) fn of(model: Model) -> Option<Self> {
        match model {
            Model::Timeseries => Some(Self::Parameters),
            Model::Events => Some(Self::Events),
            Model::ParameterDefinitions => Some(Self::ParameterDefinitions),
            Model::EventDefinitions => Some(Self::EventDefinitions),
            Model::StreamProperties | Model::StreamEnd => None,
        }
    }
}

impl Select {
    /// As clients write it.
    pub(crate) fn of(text: &str) -> Self {
        if text == "*" { Self::All } else { Self::One(text.into()) }
    }
}
