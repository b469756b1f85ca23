//! What goes over the wire: actions with their parameters, and answers. Invariants: names are the vendor's. Not here: what they mean (`convert`, `jobs`, `order`).

mod answer;
mod request;

pub(super) use answer::{
    AdbRow, Answer, AppRow, Created, ImageRow, InstanceRow, Page, Properties, Refusal, Started,
    TaskRow,
};
pub(super) use request::{Action, Call, action};
