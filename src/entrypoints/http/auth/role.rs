//! Roles, and what they allow.

use std::fmt;
use std::str::FromStr;

/// What somebody with a token is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Role {
    /// A store: places orders and asks for those of its customers.
    Store,
    /// Looks at everything.
    Viewer,
    /// Looks at everything, moves orders and decides on dead letters.
    Operator,
}

/// What a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    ReadMetrics,
    PlaceOrders,
    /// What a store needs to show its customers their orders, and to know what became of a message.
    ReadAsStore,
    Read,
    Operate,
}

/// Who is asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The token's name; `local` where no token is needed.
    pub name: String,
    pub role: Role,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Store, Self::Viewer, Self::Operator];

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

    /// The word in token lines.
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

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|role| role.as_str() == word);
        known.ok_or("must be store, viewer or operator")
    }
}

impl Caller {
    /// Whoever asks from this machine while there are no tokens.
    pub fn local() -> Self {
        Self { name: "local".to_owned(), role: Role::Operator }
    }
}
