//! Consumer groups: the listener's shell around [`state::Group`]. One lock, held for as long as a group takes to think; answers
//! to those who wait go out under it, and one task keeps the time.

mod answers;
mod keeping;
mod register;
pub(super) mod state;
mod view;

pub(super) use self::{
    answers::{heartbeat, join, leave, sync},
    keeping::keep_offsets,
    register::Groups,
    view::{delete, describe, list},
};
