//! The tokens that are good at this moment.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::{Caller, InvalidTokens, KnownTokens, TokenHash};
use crate::config::{InvalidSetting, Settings};

/// Shortest time between two looks at the file.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Who may ask, as the settings say. A file that changes counts without a restart; one that cannot
/// be read any more leaves things as they were.
#[derive(Debug)]
pub struct Tokens {
    /// Without a setting for tokens there is nothing to be kept out.
    are_needed: bool,
    file: Option<PathBuf>,
    present: Mutex<Present>,
}

#[derive(Debug)]
struct Present {
    known: Arc<KnownTokens>,
    version: Option<Version>,
    looked_at: Instant,
}

/// What tells one state of a file from the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    modified: Option<SystemTime>,
    bytes: u64,
    inode: u64,
}

impl Tokens {
    /// # Errors
    /// When a line is none, or the file cannot be read.
    pub fn of(settings: &Settings) -> Result<Self, InvalidSetting> {
        let file = settings.tokens_file().map(Path::to_owned);
        // Before the lines are read: what changes meanwhile is seen at the next look.
        let version = file.as_deref().and_then(Version::of);
        let lines = settings.http_token_lines()?;
        let known = KnownTokens::parse(lines.as_deref().unwrap_or_default())
            .map_err(|error| invalid(file.is_some(), &error))?;
        if lines.is_some() && known.is_empty() {
            tracing::warn!("HTTP answers nobody: there is no token yet (order-worker token new)");
        }
        let present = Present { known: Arc::new(known), version, looked_at: Instant::now() };
        Ok(Self { are_needed: lines.is_some(), file, present: Mutex::new(present) })
    }

    /// Whether nobody needs one: neither HTTP_TOKENS nor HTTP_TOKENS_FILE is set. A list that is
    /// empty lets nobody in.
    pub fn is_empty(&self) -> bool {
        !self.are_needed
    }

    /// Whose token it is. Takes the same time for each that it is not.
    pub fn caller(&self, secret: &str) -> Option<Caller> {
        self.known().caller(secret)
    }

    /// Whose token had this fingerprint, if it is still good.
    pub fn still_know(&self, fingerprint: &TokenHash) -> Option<Caller> {
        self.known().caller_with(fingerprint)
    }

    fn known(&self) -> Arc<KnownTokens> {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &self.file
            && present.looked_at.elapsed() >= LOOK_EVERY
        {
            present.look_at(file);
        }
        present.known.clone()
    }
}

impl Present {
    fn look_at(&mut self, file: &Path) {
        self.looked_at = Instant::now();
        let version = Version::of(file);
        if version == self.version {
            return;
        }
        self.version = version;
        match read(file) {
            Ok(known) => {
                let tokens = known.callers().count();
                self.known = Arc::new(known);
                tracing::info!(tokens, "The tokens in HTTP_TOKENS_FILE have changed");
            }
            Err(problem) => {
                tracing::warn!(problem, "HTTP_TOKENS_FILE: the tokens stay as they were");
            }
        }
    }
}

impl Version {
    fn of(file: &Path) -> Option<Self> {
        std::fs::metadata(file).ok().map(|metadata| Self::from(&metadata))
    }
}

impl From<&Metadata> for Version {
    fn from(file: &Metadata) -> Self {
        Self { modified: file.modified().ok(), bytes: file.len(), inode: file.ino() }
    }
}

fn read(file: &Path) -> Result<KnownTokens, String> {
    let lines = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    KnownTokens::parse(&lines).map_err(|error| error.to_string())
}

fn invalid(in_a_file: bool, error: &InvalidTokens) -> InvalidSetting {
    let variable = if in_a_file { "HTTP_TOKENS_FILE" } else { "HTTP_TOKENS" };
    InvalidSetting { variable, problem: error.to_string() }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::entrypoints::cli::Program;
    use crate::entrypoints::http::auth::{Role, TokenFile};

    fn settings(arguments: &[&str]) -> Settings {
        Program::parse_from(["order-worker"].iter().chain(arguments)).settings
    }

    /// A file with the token of `ada`, and who may ask by it.
    fn of_a_file() -> (tempfile::TempDir, PathBuf, String, Tokens) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let ada = TokenFile::at(&path).add("ada", Role::Operator).unwrap().secret;
        let tokens = Tokens::of(&settings(&["--http-tokens-file", path.to_str().unwrap()]));
        (folder, path, ada, tokens.unwrap())
    }

    fn name_of(tokens: &Tokens, secret: &str) -> Option<String> {
        tokens.caller(secret).map(|caller| caller.name)
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_changes_counts_within_a_second() {
        let (_folder, path, ada, tokens) = of_a_file();

        let shop = TokenFile::at(&path).add("shop", Role::Store).unwrap().secret;
        TokenFile::at(&path).remove("ada").unwrap();
        assert_eq!(name_of(&tokens, &ada).as_deref(), Some("ada"));
        tokio::time::advance(LOOK_EVERY).await;

        assert_eq!(name_of(&tokens, &ada), None);
        assert_eq!(name_of(&tokens, &shop).as_deref(), Some("shop"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_cannot_be_read_any_more_leaves_the_tokens_as_they_were() {
        let (_folder, path, ada, tokens) = of_a_file();

        std::fs::write(&path, "no token").unwrap();
        tokio::time::advance(LOOK_EVERY).await;
        assert_eq!(name_of(&tokens, &ada).as_deref(), Some("ada"));

        std::fs::remove_file(&path).unwrap();
        tokio::time::advance(LOOK_EVERY).await;
        assert_eq!(name_of(&tokens, &ada).as_deref(), Some("ada"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_token_that_goes_does_not_open_the_door() {
        let (_folder, path, ada, tokens) = of_a_file();

        TokenFile::at(&path).remove("ada").unwrap();
        tokio::time::advance(LOOK_EVERY).await;

        assert_eq!(name_of(&tokens, &ada), None);
        assert!(!tokens.is_empty());
    }

    #[test]
    fn only_without_any_setting_no_token_is_needed() {
        let empty = tempfile::NamedTempFile::new().unwrap();
        let file = format!("--http-tokens-file={}", empty.path().display());

        assert!(Tokens::of(&settings(&["--http-tokens="])).unwrap().is_empty());
        assert!(!Tokens::of(&settings(&[&file])).unwrap().is_empty());
        assert!(!Tokens::of(&settings(&["--http-tokens=#"])).unwrap().is_empty());
    }

    #[test]
    fn a_list_that_is_none_names_its_setting() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "owt_secret").unwrap();
        let file = format!("--http-tokens-file={}", file.path().display());

        for (argument, variable) in
            [(&*file, "HTTP_TOKENS_FILE: "), ("--http-tokens=owt_secret", "HTTP_TOKENS: ")]
        {
            let error = Tokens::of(&settings(&[argument])).unwrap_err().to_string();
            assert!(error.starts_with(variable) && !error.contains("secret"), "{error}");
        }
    }
}
