//! Masking of e-mail addresses.

/// Enough of an address to distinguish customers: `g…@example.com`.
pub fn masked(email: &str) -> String {
    let (name, host) =
        email.rsplit_once('@').map_or((email, None), |(name, host)| (name, Some(host)));
    let first = name.chars().next().filter(|_| name.chars().nth(1).is_some());
    let first = first.map(String::from).unwrap_or_default();
    host.map_or(format!("{first}…"), |host| format!("{first}…@{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_address_shows_the_first_character_and_the_host() {
        for (email, shown) in [
            ("grace@example.com", "g…@example.com"),
            ("é.martin@example.com", "é…@example.com"),
            ("\"a@b\"@example.com", "\"…@example.com"),
            ("g@example.com", "…@example.com"),
            ("grace", "g…"),
            ("@", "…@"),
            ("", "…"),
        ] {
            assert_eq!(masked(email), shown, "{email}");
        }
    }
}
