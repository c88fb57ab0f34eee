//! The types of `vwp-discovery` as the interfaces have them.

use crate::types;
use vwp_core::jose::Jwk;
use vwp_core::{Environment, Problem};
use vwp_discovery::registry::{self, Registration, Shown, World};
use vwp_discovery::{actions, control, lease, operators, record};

pub(crate) fn describe(world: World, environment: &Environment<'_>) -> types::RegisteredWorld {
    let fields = world.fields;
    let endpoint = |endpoint: record::Endpoint| types::Endpoint {
        transport: endpoint.transport,
        host: endpoint.host,
        port: endpoint.port,
        priority: endpoint.priority,
        weight: endpoint.weight,
        region: endpoint.region,
        path: endpoint.path,
    };
    let texts = |texts: record::Texts| {
        texts.0.into_iter().map(|(language, text)| types::Text { language, text }).collect()
    };
    let place = |at: record::Location| types::Location {
        latitude: at.latitude,
        longitude: at.longitude,
        altitude: at.altitude,
    };
    types::RegisteredWorld {
        fqdn: registry::fqdn(&fields.name, environment),
        // A record is texts and finite numbers, whose serialisation cannot fail.
        fields: serde_json::to_string(&fields).unwrap_or_default(),
        name: fields.name,
        uuid: fields.uuid.to_string(),
        operator: world.operator,
        title: texts(fields.title),
        description: texts(fields.description),
        endpoints: fields.endpoints.into_iter().map(endpoint).collect(),
        tags: fields.tags,
        languages: fields.languages,
        rating: fields.rating.map(|rating| rating.level),
        location: fields.location.map(place),
        seq: fields.seq,
        issued_at: fields.iat,
        expires_at: fields.exp,
        signed: world.record,
    }
}

impl From<Shown> for types::Standing {
    fn from(shown: Shown) -> Self {
        Self {
            lease_ends_at: shown.lease_ends_at,
            stale: shown.is_stale,
            live: shown.live.map(|live| live.signed),
            transferred_to: shown.transferred_to,
        }
    }
}

impl From<lease::Heartbeat> for types::Heartbeat {
    fn from(made: lease::Heartbeat) -> Self {
        let lease::Heartbeat { name, seq, lease_ends_at, is_revived, version } = made;
        Self { name, seq, lease_ends_at, is_revived, version }
    }
}

impl From<actions::Done> for types::Done {
    fn from(done: actions::Done) -> Self {
        let actions::Done { action, operator, name, seq, version } = done;
        Self { action: action.as_str().to_owned(), operator, name, seq, version }
    }
}

impl From<control::Challenge> for types::Challenge {
    fn from(made: control::Challenge) -> Self {
        let control::Challenge { text, txt_name, url, expires_at, .. } = made;
        Self { text, txt_name, url, expires_at }
    }
}

impl From<operators::OperatorView> for types::KnownOperator {
    fn from(known: operators::OperatorView) -> Self {
        // A key is a struct of texts, whose serialisation cannot fail.
        let text = |key: &Jwk| serde_json::to_string(key).unwrap_or_default();
        let pending = |pending: operators::Pending| types::Recovery {
            key: text(&pending.key),
            requested_at: pending.requested_at,
            effective_at: pending.effective_at,
        };
        Self {
            id: known.id,
            keys: known.keys.iter().map(text).collect(),
            seq: known.state.seq,
            recovery: known.state.recovery,
            pending: known.state.pending.map(pending),
        }
    }
}

impl From<Registration> for types::Registration {
    fn from(made: Registration) -> Self {
        Self {
            name: made.name,
            fqdn: made.fqdn,
            operator: made.operator,
            seq: made.seq,
            version: made.version,
            expires_at: made.expires_at,
            receipt: made.receipt,
            is_new: made.is_new,
        }
    }
}

impl From<Problem> for types::Error {
    fn from(problem: Problem) -> Self {
        match problem.status.as_u16() {
            503 if problem.slug == "outcome-unknown" => Self::Unknown(problem.detail),
            503 => Self::Unavailable(problem.detail),
            500.. => Self::Internal,
            _ => Self::Refused(types::Refusal { reason: problem.slug.into(), detail: problem.detail }),
        }
    }
}
