//! Dead letters: finding them, looking into one, mending it, replaying it, giving it up.

mod addresses;
mod dead_letters;
mod deciding;
mod editing;
mod finding;
mod looking;
mod refused;
mod replaying;
mod trying;
