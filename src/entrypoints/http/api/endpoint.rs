//! An endpoint of the API: its route and its documentation, in one place.

use axum::Router;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter};
use schemars::{Schema, SchemaGenerator};
use strum::EnumCount;

use crate::entrypoints::http::App;
use crate::entrypoints::http::auth::{Permission, Role, require_permission};

/// A path with its methods, request and responses.
#[derive(Debug, Clone, Copy)]
pub struct Endpoint {
    /// GET, POST or PUT; all have the same effect.
    pub methods: &'static [Method],
    /// With its parameters in braces.
    pub path: &'static str,
    pub trailing_slash: TrailingSlash,
    pub permission: Permission,
    pub handler: fn(MethodFilter) -> MethodRouter<App>,
    /// The `operationId`, from which generated clients take their names.
    pub name: &'static str,
    pub group: Group,
    pub summary: &'static str,
    /// More than the summary; may be empty.
    pub about: &'static str,
    pub parameters: &'static [Parameter],
    pub body: Option<RequestBody>,
    pub success: Success,
    pub problems: &'static [(u16, &'static str)],
}

/// Whether a path is served with a slash at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrailingSlash {
    AsWritten,
    Optional,
}

/// The clients for which an endpoint exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumCount)]
pub enum Group {
    /// New clients.
    Orders,
    /// The store's client, whose paths and responses are older than the worker.
    Legacy,
}

/// A parameter of a request, besides its body.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    pub name: &'static str,
    pub place: ParameterPlace,
    pub about: &'static str,
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    /// As written in a request.
    pub example: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterPlace {
    Path,
    Query,
    Header,
}

#[derive(Debug, Clone, Copy)]
pub struct RequestBody {
    pub required: bool,
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    /// JSON.
    pub example: &'static str,
}

/// The response to a request that succeeds.
#[derive(Debug, Clone, Copy)]
pub struct Success {
    pub status: u16,
    pub about: &'static str,
    pub body: Option<ResponseBody>,
}

#[derive(Debug, Clone, Copy)]
pub struct ResponseBody {
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    /// JSON.
    pub example: &'static str,
}

impl ParameterPlace {
    /// The value of `in` in OpenAPI.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
        }
    }
}

impl Group {
    pub const ALL: [Self; Self::COUNT] = [Self::Orders, Self::Legacy];

    pub fn title(self) -> &'static str {
        match self {
            Self::Orders => "Orders",
            Self::Legacy => "The store's paths",
        }
    }

    pub fn about(self) -> &'static str {
        match self {
            Self::Orders => {
                "For new clients. Ids are strings, amounts are strings with two decimals."
            }
            Self::Legacy => {
                "For the client that is older than the worker; a trailing slash is optional. Ids \
                 that look like numbers are numbers."
            }
        }
    }
}

impl Endpoint {
    /// Adds its routes.
    pub fn route(&self, router: Router<App>, app: &App) -> Router<App> {
        let filters = self.methods.iter().filter_map(|it| MethodFilter::try_from(it.clone()).ok());
        let Some(filter) = filters.reduce(MethodFilter::or) else { return router };
        let handler = require_permission(app, self.permission, (self.handler)(filter));
        let router = router.route(self.path, handler.clone());
        match self.trailing_slash {
            TrailingSlash::AsWritten => router,
            TrailingSlash::Optional => router.route(&self.other_path(), handler),
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

    /// The roles with its permission: `store or operator`.
    pub fn roles(&self) -> String {
        let allowed = Role::ALL.into_iter().filter(|role| role.may(self.permission));
        allowed.map(Role::as_str).collect::<Vec<_>>().join(" or ")
    }
}
