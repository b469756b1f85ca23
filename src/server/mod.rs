//! Doors into a running daemon: the control socket.
//!
//! [`control`]: verbs of operators on the same machine, over a socket in the state folder.
//!
//! Invariants: nothing that comes in is believed beyond its form and size; a door hands over requests and writes no state.
//! Not here: what a verb does (`daemon`).

pub mod control;
