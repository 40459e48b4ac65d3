//! The bodies of commands, and how each becomes a command of the domain.
//!
//! The comments on these types are the descriptions in the schemas.

use schemars::JsonSchema;

use super::fields::{FieldError, Fields, FromObject};
use super::place_order::PlaceOrderBody;
use super::properties::may_name_itself;
use super::scalars::{schema_of, schema_or_null};
use crate::domain::{
    CancelOrder, Command, CommandKind, OrderId, Reason, SetNextStatus, SetStatus, Status,
};

/// Cancel an order that is still Received.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "CancelOrder", transform = may_name_itself)]
pub(crate) struct CancelOrderBody {
    #[schemars(schema_with = "schema_of::<OrderId>")]
    order_id: OrderId,
    #[schemars(default, schema_with = "schema_or_null::<Reason>")]
    reason: Option<Reason>,
}

/// Set any status of an order that is not in a final status: a correction by an operator.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "SetStatus", transform = may_name_itself)]
pub(crate) struct SetStatusBody {
    #[schemars(schema_with = "schema_of::<OrderId>")]
    order_id: OrderId,
    #[schemars(schema_with = "schema_of::<Status>")]
    status: Status,
}

/// Move an order to its next status.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "SetNextStatus", transform = may_name_itself)]
pub(crate) struct SetNextStatusBody {
    #[schemars(schema_with = "schema_of::<OrderId>")]
    order_id: OrderId,
    /// The status that the order must be in, which makes duplicates harmless. If absent, the message
    /// needs a message id.
    #[schemars(default, schema_with = "schema_or_null::<Status>")]
    from: Option<Status>,
}

/// Reads the body of a command of a known kind.
pub(super) fn read_command(
    kind: CommandKind,
    mut fields: Fields<'_, '_>,
) -> Result<Command, FieldError> {
    Ok(match kind {
        CommandKind::PlaceOrder => {
            let body: PlaceOrderBody = fields.read()?;
            Command::PlaceOrder(body.into_domain(fields.deviations)?)
        }
        CommandKind::CancelOrder => {
            let CancelOrderBody { order_id, reason } = fields.read()?;
            Command::CancelOrder(CancelOrder { order_id, reason })
        }
        CommandKind::SetStatus => {
            let SetStatusBody { order_id, status } = fields.read()?;
            Command::SetStatus(SetStatus { order_id, status })
        }
        CommandKind::SetNextStatus => {
            let SetNextStatusBody { order_id, from } = fields.read()?;
            Command::SetNextStatus(SetNextStatus { order_id, from })
        }
    })
}

impl FromObject for CancelOrderBody {
    fn from_object(fields: &mut Fields<'_, '_>) -> Result<Self, FieldError> {
        Ok(Self { order_id: fields.required("order_id")?, reason: fields.optional("reason")? })
    }
}

impl FromObject for SetStatusBody {
    fn from_object(fields: &mut Fields<'_, '_>) -> Result<Self, FieldError> {
        Ok(Self { order_id: fields.required("order_id")?, status: fields.required("status")? })
    }
}

impl FromObject for SetNextStatusBody {
    fn from_object(fields: &mut Fields<'_, '_>) -> Result<Self, FieldError> {
        Ok(Self { order_id: fields.required("order_id")?, from: fields.optional("from")? })
    }
}
