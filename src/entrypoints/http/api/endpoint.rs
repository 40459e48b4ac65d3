//! One way into the API: what the router does with it and what the document says of it, in one place.

use axum::Router;
use axum::routing::{MethodFilter, MethodRouter};
use schemars::{Schema, SchemaGenerator};

use crate::entrypoints::http::App;
use crate::entrypoints::http::auth::require_permission;
use crate::entrypoints::http::auth::{Permission, Role};

/// A path, what may be asked of it, and what is answered.
#[derive(Debug, Clone, Copy)]
pub struct Endpoint {
    /// All of them mean the same.
    pub verbs: &'static [Verb],
    /// With the names of its parameters in braces.
    pub path: &'static str,
    /// Whether the path is answered with and without a slash at its end.
    pub slash: Slash,
    pub permission: Permission,
    pub handler: fn(MethodFilter) -> MethodRouter<App>,
    /// Names the endpoint in programs that are made from the document.
    pub name: &'static str,
    pub group: Group,
    pub summary: &'static str,
    /// What the summary does not say; may be empty.
    pub about: &'static str,
    pub parameters: &'static [Parameter],
    pub body: Option<RequestBody>,
    pub success: Success,
    pub problems: &'static [(u16, &'static str)],
}

/// A method of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Get,
    Post,
    Put,
}

/// What follows a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slash {
    AsWritten,
    Either,
}

/// For whom an endpoint is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// New clients.
    Orders,
    /// The store's client, whose paths and answers are older than the worker.
    Store,
}

/// A part of a request beside its body.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    pub name: &'static str,
    pub place: ParameterPlace,
    pub about: &'static str,
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    /// As it stands in a request.
    pub example: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterPlace {
    Path,
    Query,
    Header,
}

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub struct RequestBody {
    pub required: bool,
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    /// JSON.
    pub example: &'static str,
}

/// What is answered when all goes well.
#[derive(Debug, Clone, Copy)]
pub struct Success {
    pub status: u16,
    pub about: &'static str,
    pub body: Option<AnswerBody>,
}

#[derive(Debug, Clone, Copy)]
pub struct AnswerBody {
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    /// JSON.
    pub example: &'static str,
}

impl Verb {
    /// The name in requests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }

    fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
        }
    }
}

impl ParameterPlace {
    /// The word in the document.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
        }
    }
}

impl Group {
    pub const ALL: [Self; 2] = [Self::Orders, Self::Store];

    pub fn title(self) -> &'static str {
        match self {
            Self::Orders => "Orders",
            Self::Store => "The store's paths",
        }
    }

    pub fn about(self) -> &'static str {
        match self {
            Self::Orders => "For new clients. Ids are text, amounts are text with two decimals.",
            Self::Store => {
                "For the client that was there before the worker; a slash at the end is optional. \
                 Ids are numbers where they look like numbers."
            }
        }
    }
}

impl Endpoint {
    /// Has a router answer it.
    pub fn route(&self, router: Router<App>, app: &App) -> Router<App> {
        let verbs = self.verbs.iter().map(|verb| verb.filter());
        let Some(filter) = verbs.reduce(MethodFilter::or) else { return router };
        let handler = require_permission(app, self.permission, (self.handler)(filter));
        let router = router.route(self.path, handler.clone());
        match self.slash {
            Slash::AsWritten => router,
            Slash::Either => router.route(&self.other_path(), handler),
        }
    }

    /// The path with a slash at its end, or without it where it has one.
    fn other_path(&self) -> String {
        match self.path.strip_suffix('/') {
            Some(path) => path.to_owned(),
            None => format!("{}/", self.path),
        }
    }

    pub fn takes(&self, parameter: &Parameter) -> bool {
        self.parameters.iter().any(|other| other.name == parameter.name)
    }

    /// Whose tokens it takes: `store or operator`.
    pub fn roles(&self) -> String {
        let allowed = Role::ALL.into_iter().filter(|role| role.may(self.permission));
        allowed.map(Role::as_str).collect::<Vec<_>>().join(" or ")
    }
}
