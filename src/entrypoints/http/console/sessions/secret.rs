//! What nobody can guess.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// 256 random bits as text.
pub fn secret() -> String {
    let mut random = [0; 32];
    getrandom::fill(&mut random).expect("the system has random numbers");
    BASE64_URL_SAFE_NO_PAD.encode(random)
}
