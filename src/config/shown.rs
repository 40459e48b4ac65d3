//! The settings as shown in the console, without secrets.

use std::path::PathBuf;

use clap::{Arg, Args, Command, ValueEnum};

use super::{HttpAddr, SecretUrl, Settings};

/// Shown instead of a secret.
const HIDDEN: &str = "(hidden)";

/// A setting and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownSetting {
    pub variable: String,
    /// `None` if it is not set. URLs are shown without user, password and parameters; tokens are
    /// hidden.
    pub value: Option<String>,
    /// Whether the value is the default.
    pub is_default: bool,
    pub meaning: String,
}

impl Settings {
    /// All settings, in the order of `--help`.
    pub fn shown(&self) -> Vec<ShownSetting> {
        let command = Self::augment_args(Command::new(""));
        let values = self.values();
        let settings = command
            .get_arguments()
            .filter(|argument| argument.get_env().is_some() && !argument.is_hide_set());
        settings.map(|setting| shown(setting, &values)).collect()
    }

    /// Each variable with its value. The exhaustive pattern makes the compiler report a missing
    /// setting.
    fn values(&self) -> Vec<(&'static str, Option<String>)> {
        let Self {
            amqp_url,
            amqp_url_file,
            database_url,
            database_url_file,
            http_addr,
            http_tokens,
            http_tokens_file,
            prefetch,
            partitions,
            ordered,
            max_in_flight_bytes,
            lanes,
            batch_max,
            max_attempts,
            retry_delay_ms,
            shutdown_grace_seconds,
            http_drain_seconds,
            relay_interval_seconds,
            keep_unroutable_events,
            declare_topology,
            collect_dead_letters,
            dead_letter_retention_days,
            message_retention_days,
            history_retention_days,
            migrate,
            commands_exchange,
            commands_queue,
            events_exchange,
            dead_letter_exchange,
            dead_letter_queue,
            delivery_limit,
            otlp_endpoint,
            log_format,
            rust_log,
            deprecated: _,
        } = self;
        vec![
            ("AMQP_URL", amqp_url.as_ref().and_then(shown_url)),
            ("AMQP_URL_FILE", path(amqp_url_file.as_ref())),
            ("DATABASE_URL", database_url.as_ref().and_then(shown_url)),
            ("DATABASE_URL_FILE", path(database_url_file.as_ref())),
            ("HTTP_ADDR", http_addr.as_ref().map(shown_address)),
            ("HTTP_TOKENS", http_tokens.as_ref().map(|_| HIDDEN.to_owned())),
            ("HTTP_TOKENS_FILE", path(http_tokens_file.as_ref())),
            ("PREFETCH", Some(prefetch.to_string())),
            ("MAX_IN_FLIGHT_BYTES", Some(max_in_flight_bytes.to_string())),
            ("LANES", Some(lanes.to_string())),
            ("BATCH_MAX", Some(batch_max.to_string())),
            ("PARTITIONS", Some(partitions.to_string())),
            ("ORDERED", Some(ordered.to_string())),
            ("MAX_ATTEMPTS", Some(max_attempts.to_string())),
            ("RETRY_DELAY_MS", Some(retry_delay_ms.to_string())),
            ("SHUTDOWN_GRACE_SECONDS", Some(shutdown_grace_seconds.to_string())),
            ("HTTP_DRAIN_SECONDS", Some(http_drain_seconds.to_string())),
            ("RELAY_INTERVAL_SECONDS", Some(relay_interval_seconds.to_string())),
            ("KEEP_UNROUTABLE_EVENTS", Some(keep_unroutable_events.to_string())),
            ("DECLARE_TOPOLOGY", Some(declare_topology.to_string())),
            ("COLLECT_DEAD_LETTERS", Some(collect_dead_letters.to_string())),
            ("DEAD_LETTER_RETENTION_DAYS", Some(dead_letter_retention_days.to_string())),
            ("MESSAGE_RETENTION_DAYS", Some(message_retention_days.to_string())),
            ("HISTORY_RETENTION_DAYS", Some(history_retention_days.to_string())),
            ("MIGRATE", Some(migrate.to_string())),
            ("COMMANDS_EXCHANGE", Some(commands_exchange.to_string())),
            ("COMMANDS_QUEUE", Some(commands_queue.to_string())),
            ("EVENTS_EXCHANGE", Some(events_exchange.to_string())),
            ("DEAD_LETTER_EXCHANGE", Some(dead_letter_exchange.to_string())),
            ("DEAD_LETTER_QUEUE", Some(dead_letter_queue.to_string())),
            ("DELIVERY_LIMIT", Some(delivery_limit.to_string())),
            ("OTLP_ENDPOINT", otlp_endpoint.as_ref().and_then(shown_url)),
            ("LOG_FORMAT", log_format.to_possible_value().map(|it| it.get_name().to_owned())),
            ("RUST_LOG", Some(rust_log.clone())),
        ]
    }
}

fn shown(setting: &Arg, values: &[(&'static str, Option<String>)]) -> ShownSetting {
    let variable = setting.get_env().unwrap_or_default().to_string_lossy().into_owned();
    let value = values.iter().find(|(name, _)| *name == variable);
    let value = value.and_then(|(_, value)| value.clone());
    let default = setting.get_default_values().first();
    let default = default.map(|default| default.to_string_lossy().into_owned());
    let meaning = setting.get_help().map(ToString::to_string).unwrap_or_default();
    ShownSetting { is_default: value == default, variable, value, meaning }
}

fn shown_url(url: &SecretUrl) -> Option<String> {
    (!url.0.is_empty()).then(|| url.to_string())
}

fn path(path: Option<&PathBuf>) -> Option<String> {
    path.filter(|path| !path.as_os_str().is_empty()).map(|path| path.display().to_string())
}

fn shown_address(address: &HttpAddr) -> String {
    match address {
        HttpAddr::Disabled => "none".to_owned(),
        HttpAddr::Listen(address) => address.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::settings;
    use super::*;

    fn one(arguments: &[&str], variable: &str) -> ShownSetting {
        let shown = settings(arguments).unwrap().shown();
        shown.into_iter().find(|setting| setting.variable == variable).unwrap()
    }

    #[test]
    fn each_setting_has_a_value_of_its_own() {
        let settings = settings(&[]).unwrap();
        let shown: Vec<_> = settings.shown().into_iter().map(|it| it.variable).collect();
        let valued: Vec<_> = settings.values().into_iter().map(|(name, _)| name).collect();

        assert_eq!(shown, valued);
        assert!(settings.shown().iter().all(|it| it.is_default && !it.meaning.is_empty()));
    }

    #[test]
    fn a_changed_value_is_not_a_default() {
        let lanes = one(&["--lanes", "7"], "LANES");
        assert_eq!((lanes.value.as_deref(), lanes.is_default), (Some("7"), false));
        assert!(one(&["--lanes", "2"], "LANES").is_default);
    }

    #[test]
    fn no_secret_is_shown() {
        let url = "amqp://shop:secret@broker:5672/%2f?password=secret";
        let arguments = ["--amqp-url", url, "--http-tokens", "ada:operator:secret"];

        for setting in settings(&arguments).unwrap().shown() {
            assert!(!format!("{setting:?}").contains("secret"), "{setting:?}");
        }
        let shown = one(&arguments, "AMQP_URL").value;
        assert_eq!(shown.as_deref(), Some("amqp://broker:5672/%2f"));
    }
}
