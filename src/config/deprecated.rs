//! Deprecated names of settings, supported for one more version.

use clap::Args;
use clap::builder::FalseyValueParser;

use super::Settings;

/// Negative switches, each replaced by a positive one.
#[derive(Debug, Clone, Default, Args)]
pub struct DeprecatedSettings {
    #[arg(long, env, default_value_t = false, global = true, hide = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    no_declare: bool,

    #[arg(long, env, default_value_t = false, global = true, hide = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    no_collect: bool,

    #[arg(long, env, default_value_t = false, global = true, hide = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    no_migrate: bool,
}

impl Settings {
    /// Applies the deprecated settings. Returns a warning for each one that was set.
    pub fn take_deprecated(&mut self) -> Vec<&'static str> {
        let DeprecatedSettings { no_declare, no_collect, no_migrate } =
            std::mem::take(&mut self.deprecated);
        let old_switches = [
            (
                no_declare,
                &mut self.declare_topology,
                "NO_DECLARE is deprecated: set DECLARE_TOPOLOGY=false",
            ),
            (
                no_collect,
                &mut self.collect_dead_letters,
                "NO_COLLECT is deprecated: set COLLECT_DEAD_LETTERS=false",
            ),
            (no_migrate, &mut self.migrate, "NO_MIGRATE is deprecated: set MIGRATE=false"),
        ];
        let mut warnings = Vec::new();
        for (is_set, switch, warning) in old_switches {
            if is_set {
                *switch = false;
                warnings.push(warning);
            }
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::settings;

    #[test]
    fn old_names_still_work_and_name_the_new_ones() {
        let mut given = settings(&["--no-declare", "--no-collect", "--no-migrate"]).unwrap();

        let warnings = given.take_deprecated();

        assert_eq!(
            (given.declare_topology, given.collect_dead_letters, given.migrate),
            (false, false, false)
        );
        assert_eq!(warnings.len(), 3);
        assert!(warnings[0].contains("DECLARE_TOPOLOGY=false"));
        assert!(settings(&[]).unwrap().take_deprecated().is_empty());
    }
}
