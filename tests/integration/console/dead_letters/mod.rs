//! Dead letters: finding them, looking into one, mending it, replaying it, giving it up.

mod addresses;
mod deciding;
mod editing;
mod finding;
mod looking;
mod records;
mod refused;
mod replaying;
mod trying;
