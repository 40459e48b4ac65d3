//! The parameters of AMQP_URL. lapin ignores unknown ones, and its errors contain values.

/// The parameters with a number, and its maximum.
const NUMBERS: [(&str, u64); 4] = [
    ("heartbeat", u16::MAX as u64),
    ("connection_timeout", u64::MAX),
    ("channel_max", u16::MAX as u64),
    ("frame_max", u32::MAX as u64),
];

const AUTH_MECHANISM: &str = "auth_mechanism";

const AUTH_MECHANISMS: [&str; 3] = ["plain", "amqplain", "external"];

/// Checks the parameters of a URL.
///
/// # Errors
/// Names the parameter, and never its value, which may be a secret.
pub(super) fn ensure_valid(url: &str) -> Result<(), String> {
    let (url, _) = url.split_once('#').unwrap_or((url, ""));
    let Some((_, query)) = url.split_once('?') else { return Ok(()) };
    let mut seen: Vec<&str> = Vec::new();
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if seen.contains(&name) {
            return Err(format!("the parameter {name} is repeated"));
        }
        seen.push(name);
        match NUMBERS.iter().find(|(known, _)| *known == name) {
            Some((_, max)) => {
                let is_valid = value.bytes().all(|it| it.is_ascii_digit())
                    && value.parse::<u64>().is_ok_and(|number| number <= *max);
                if !is_valid {
                    return Err(format!("the parameter {name} must be a number from 0 to {max}"));
                }
            }
            None if name == AUTH_MECHANISM => {
                if !AUTH_MECHANISMS.iter().any(|known| value.eq_ignore_ascii_case(known)) {
                    let known = AUTH_MECHANISMS.join(", ");
                    return Err(format!("the parameter {name} must be one of {known}"));
                }
            }
            None => return Err(unknown(name)),
        }
    }
    Ok(())
}

/// What is not like a name may be a part of a secret.
fn unknown(name: &str) -> String {
    let is_name = (1..=40).contains(&name.len())
        && name.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-' | b'.'));
    let known: Vec<&str> =
        NUMBERS.iter().map(|(known, _)| *known).chain([AUTH_MECHANISM]).collect();
    let known = known.join(", ");
    if is_name {
        format!("unknown parameter {name}; known are {known}")
    } else {
        format!("a parameter has no valid name; known are {known}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(query: &str) -> String {
        ensure_valid(&format!("amqp://user:pass@host/vhost?{query}")).unwrap_err()
    }

    #[test]
    fn known_parameters_are_accepted() {
        for query in ["", "?", "?heartbeat=9&frame_max=4096&", "?auth_mechanism=EXTERNAL#x?y=z"] {
            assert_eq!(ensure_valid(&format!("amqp://host/{query}")), Ok(()), "{query}");
        }
    }

    #[test]
    fn an_error_names_the_parameter_and_not_its_value() {
        for (query, name) in [
            ("token=secret", "token"),
            ("heartbeat=secret", "heartbeat"),
            ("heartbeat=9&heartbeat=secret", "heartbeat"),
            ("heartbeat=65536", "heartbeat"),
            ("heartbeat=", "heartbeat"),
            ("heartbeat=+9", "heartbeat"),
            ("auth_mechanism=secret", "auth_mechanism"),
            ("Heartbeat=9", "Heartbeat"),
        ] {
            let error = error(query);
            assert!(error.contains(name) && !error.contains("secret"), "{query}: {error}");
        }
    }

    #[test]
    fn what_is_not_like_a_name_is_not_repeated() {
        for query in ["se%63ret/!=1", "p@ss/word", "=secret", &"secret".repeat(10)] {
            let error = error(query);
            assert!(error.contains("no valid name") && !error.contains("ret"), "{error}");
        }
    }
}
