//! One operation of the HTTP API, and how it is written down.

use crate::schema::{Schema, jws};

/// Who may call an operation. Several are alternatives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// A traveller, with the access token of a session.
    Traveller,
    /// An operator, with an assertion that its key signed.
    Operator,
    /// Who runs the port, with the administrator's token.
    Administrator,
    /// An OAuth client, authenticated by its secret or its key.
    Client,
    /// Who holds an OAuth access token, possibly bound to a key (DPoP, RFC 9449).
    Holder,
}

/// Where a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the path.
    Path,
    /// In the query.
    Query,
    /// In a header.
    Header,
}

impl Place {
    /// As OpenAPI writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
        }
    }
}

/// A parameter.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Where it is.
    pub place: Place,
    /// What it is.
    pub about: &'static str,
    /// What it looks like.
    pub schema: Schema,
    /// Whether it must be there.
    pub is_required: bool,
}

/// A body that an operation takes.
#[derive(Debug, Clone)]
pub struct Body {
    /// Its media type.
    pub media_type: &'static str,
    /// What it looks like.
    pub schema: Schema,
    /// What the payload of a JWS looks like, and the `typ` of its header.
    pub signed: Option<(&'static str, Schema)>,
}

/// An answer that is no refusal.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// What it says.
    pub about: &'static str,
    /// What its body looks like, by media type. None: it has none.
    pub content: Vec<(&'static str, Schema)>,
    /// Headers that matter to callers.
    pub headers: Vec<(&'static str, &'static str)>,
}

/// A refusal: the status, and the last part of the problem's `type`.
pub type Refusal = (u16, &'static str);

/// An operation.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The method.
    pub method: &'static str,
    /// The path, with parameters in braces.
    pub path: &'static str,
    /// What programs call it.
    pub id: &'static str,
    /// What people call it.
    pub summary: &'static str,
    /// More about it; possibly empty.
    pub about: &'static str,
    /// What it belongs to.
    pub tag: &'static str,
    /// Who may call it. None: anybody.
    pub callers: Vec<Caller>,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// The bodies that it takes, by media type. None: it takes none.
    pub bodies: Vec<Body>,
    /// Whether it takes no body instead, too.
    pub is_body_optional: bool,
    /// The longest body, in bytes.
    pub body_length_max: u64,
    /// What it answers.
    pub answers: Vec<Answer>,
    /// Why it refuses.
    pub refusals: Vec<Refusal>,
    /// Whether the last parameter of the path may have slashes in it.
    pub is_deep: bool,
}

/// An operation that reads.
pub fn get(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new("GET", path, id, summary)
}

/// An operation that makes or does something.
pub fn post(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new("POST", path, id, summary)
}

/// An operation that puts something in its place.
pub fn put(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new("PUT", path, id, summary)
}

/// An operation that removes something.
pub fn delete(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new("DELETE", path, id, summary)
}

impl Operation {
    fn new(method: &'static str, path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self {
            method,
            path,
            id,
            summary,
            about: "",
            tag: "",
            callers: Vec::new(),
            parameters: Vec::new(),
            bodies: Vec::new(),
            is_body_optional: false,
            body_length_max: 0,
            answers: Vec::new(),
            // A store may fail under any of them, and so may we.
            refusals: vec![
                (500, "internal"),
                (500, "keyring-sealed"),
                (503, "unavailable"),
                (503, "outcome-unknown"),
            ],
            is_deep: false,
        }
    }

    /// Says more about it.
    #[must_use]
    pub fn about(mut self, text: &'static str) -> Self {
        self.about = text;
        self
    }

    /// Who may call it. Whoever is not known is refused, and whoever is somebody else.
    #[must_use]
    pub fn by(mut self, callers: &[Caller]) -> Self {
        self.callers = callers.to_vec();
        self.refuses(&[(401, "unauthorised"), (403, "forbidden")])
    }

    /// A parameter in the path.
    #[must_use]
    pub fn path(self, name: &'static str, about: &'static str, schema: Schema) -> Self {
        self.parameter(name, Place::Path, about, schema, true)
    }

    /// The last parameter in the path, which may have slashes in it.
    #[must_use]
    pub fn deep(mut self) -> Self {
        self.is_deep = true;
        self
    }

    /// A parameter in the query that may be left out. Whatever is wrong with a query is a bad request.
    #[must_use]
    pub fn query(self, name: &'static str, about: &'static str, schema: Schema) -> Self {
        self.parameter(name, Place::Query, about, schema, false).refuses(&[(400, "bad-request")])
    }

    /// A parameter in the query that must be there.
    #[must_use]
    pub fn needs(self, name: &'static str, about: &'static str, schema: Schema) -> Self {
        self.parameter(name, Place::Query, about, schema, true).refuses(&[(400, "bad-request")])
    }

    /// A header that may be left out.
    #[must_use]
    pub fn header(self, name: &'static str, about: &'static str, schema: Schema) -> Self {
        self.parameter(name, Place::Header, about, schema, false)
    }

    fn parameter(
        mut self,
        name: &'static str,
        place: Place,
        about: &'static str,
        schema: Schema,
        is_required: bool,
    ) -> Self {
        self.parameters.push(Parameter { name, place, about, schema, is_required });
        self
    }

    /// A body of JSON of at most some bytes.
    #[must_use]
    pub fn json(self, length_max: u64, schema: Schema) -> Self {
        self.body("application/json", length_max, schema)
    }

    /// A body of at most some bytes.
    #[must_use]
    pub fn body(mut self, media_type: &'static str, length_max: u64, schema: Schema) -> Self {
        self.body_length_max = self.body_length_max.max(length_max);
        self.bodies.push(Body { media_type, schema, signed: None });
        self.refuses(&[(400, "bad-request"), (413, "body-too-large"), (415, "unsupported-media-type")])
    }

    /// A body that the caller signed (RFC 7515): the `typ` of its header, and its payload.
    #[must_use]
    pub fn signed(mut self, length_max: u64, typ: &'static str, payload: Schema) -> Self {
        self = self.body("application/jose", length_max, jws(length_max));
        if let Some(body) = self.bodies.last_mut() {
            body.signed = Some((typ, payload));
        }
        self.refuses(&[(400, "bad-jws"), (401, "unauthorised"), (401, "bad-signature")])
    }

    /// The body may be left out.
    #[must_use]
    pub fn or_no_body(mut self) -> Self {
        self.is_body_optional = true;
        self
    }

    /// An answer with JSON.
    #[must_use]
    pub fn answers(self, status: u16, about: &'static str, schema: Schema) -> Self {
        self.gives(status, about, "application/json", schema)
    }

    /// An answer of a media type; of a status that has one already, another type of it.
    #[must_use]
    pub fn gives(
        mut self,
        status: u16,
        about: &'static str,
        media_type: &'static str,
        schema: Schema,
    ) -> Self {
        if let Some(known) = self.answers.iter_mut().find(|answer| answer.status == status) {
            known.content.push((media_type, schema));
            return self;
        }
        let content = vec![(media_type, schema)];
        self.answers.push(Answer { status, about, content, headers: Vec::new() });
        self
    }

    /// An answer without a body.
    #[must_use]
    pub fn done(mut self, status: u16, about: &'static str) -> Self {
        self.answers.push(Answer { status, about, content: Vec::new(), headers: Vec::new() });
        self
    }

    /// A header of the last answer.
    #[must_use]
    pub fn telling(mut self, name: &'static str, about: &'static str) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.headers.push((name, about));
        }
        self
    }

    /// Why it refuses, beside what all operations of its kind have.
    #[must_use]
    pub fn refuses(mut self, refusals: &[Refusal]) -> Self {
        for refusal in refusals {
            if !self.refusals.contains(refusal) {
                self.refusals.push(*refusal);
            }
        }
        self
    }

    /// The statuses of its refusals, each with its reasons, in order.
    pub fn refusals_by_status(&self) -> Vec<(u16, Vec<&'static str>)> {
        let mut statuses: Vec<u16> = self.refusals.iter().map(|(status, _)| *status).collect();
        statuses.sort_unstable();
        statuses.dedup();
        let of = |status: u16| {
            let mut slugs: Vec<_> =
                self.refusals.iter().filter(|refusal| refusal.0 == status).map(|refusal| refusal.1).collect();
            slugs.sort_unstable();
            slugs
        };
        statuses.into_iter().map(|status| (status, of(status))).collect()
    }
}

/// The same operations, all of one tag.
pub fn tagged(tag: &'static str, operations: Vec<Operation>) -> Vec<Operation> {
    operations.into_iter().map(|operation| Operation { tag, ..operation }).collect()
}
