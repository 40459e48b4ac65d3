//! Roles and their permissions.

use std::fmt;
use std::str::FromStr;

use strum::EnumCount;

/// The role of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum, EnumCount)]
pub enum Role {
    /// A store: places orders and reads those of its customers.
    Store,
    /// Reads everything.
    Viewer,
    /// Reads everything, changes orders and decides on dead letters.
    Operator,
}

/// What a route requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    ReadMetrics,
    PlaceOrders,
    /// What a store needs: the orders of a customer, and the outcome of a message.
    ReadAsStore,
    Read,
    Operate,
}

/// The authenticated sender of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The token's name; `local` without tokens.
    pub name: String,
    pub role: Role,
}

impl Role {
    pub const ALL: [Self; Self::COUNT] = [Self::Store, Self::Viewer, Self::Operator];

    pub fn may(self, permission: Permission) -> bool {
        match (self, permission) {
            (_, Permission::ReadMetrics)
            | (Self::Store, Permission::PlaceOrders | Permission::ReadAsStore)
            | (Self::Viewer, Permission::ReadAsStore | Permission::Read)
            | (Self::Operator, _) => true,
            (Self::Store, Permission::Read | Permission::Operate)
            | (Self::Viewer, Permission::PlaceOrders | Permission::Operate) => false,
        }
    }

    /// The name in token lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Viewer => "viewer",
            Self::Operator => "operator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Role {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|role| role.as_str() == name);
        known.ok_or("must be store, viewer or operator")
    }
}

impl Caller {
    /// A client on this machine, if no tokens are set.
    pub fn local() -> Self {
        Self { name: "local".to_owned(), role: Role::Operator }
    }
}
