//! The tokens that are currently valid.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::{Caller, InvalidTokens, KnownTokens, TokenHash};
use crate::config::{InvalidSetting, Settings};

/// Minimum time between two checks of the file.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The tokens of the settings. A changed file is reloaded without a restart. While it cannot be read, no
/// token is valid: it may have been removed because one of them must not be used any more.
#[derive(Debug)]
pub struct Tokens {
    /// Whether a setting for tokens is present, even with an empty list.
    are_required: bool,
    file: Option<PathBuf>,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    /// Or why the file cannot be read.
    known: Result<Arc<KnownTokens>, String>,
    version: Option<Version>,
    checked_at: Instant,
}

/// The file with the tokens cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tokens cannot be read, so none is valid: see the log")]
pub struct TokensUnavailable;

/// Changes whenever the file changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    modified: Option<SystemTime>,
    /// Seconds and nanoseconds. Also of a change of its owner or permissions.
    changed: (i64, i64),
    bytes: u64,
    inode: u64,
}

impl Tokens {
    /// # Errors
    /// When an entry is not a token line, or the file cannot be read.
    pub fn of(settings: &Settings) -> Result<Self, InvalidSetting> {
        let file = settings.tokens_file().map(Path::to_owned);
        // Taken before the file is read, so that a change in between is found by the next check.
        let version = file.as_deref().and_then(Version::of);
        let lines = settings.http_token_lines()?;
        let known = KnownTokens::parse(lines.as_deref().unwrap_or_default())
            .map_err(|error| invalid(file.is_some(), &error))?;
        if lines.is_some() && known.is_empty() {
            tracing::warn!(
                "The list of tokens is empty: no HTTP client can authenticate (order-worker token new)"
            );
        }
        let current = Current { known: Ok(Arc::new(known)), version, checked_at: Instant::now() };
        Ok(Self { are_required: lines.is_some(), file, current: Mutex::new(current) })
    }

    /// Whether clients need a token: HTTP_TOKENS or HTTP_TOKENS_FILE is set. With an empty list, no
    /// client has access.
    pub fn are_required(&self) -> bool {
        self.are_required
    }

    /// The caller with this token. Takes the same time for every unknown token.
    ///
    /// # Errors
    /// While the file with the tokens cannot be read.
    pub fn caller(&self, secret: &str) -> Result<Option<Caller>, TokensUnavailable> {
        self.known().map(|known| known.caller(secret))
    }

    /// The same by the token's hash.
    ///
    /// # Errors
    /// While the file with the tokens cannot be read.
    pub fn caller_with(&self, hash: &TokenHash) -> Result<Option<Caller>, TokensUnavailable> {
        self.known().map(|known| known.caller_with(hash))
    }

    /// Reads the file now, whether or not it seems to have changed.
    pub fn reload(&self) {
        if let Some(file) = &self.file {
            self.lock().reload(file);
        }
    }

    fn known(&self) -> Result<Arc<KnownTokens>, TokensUnavailable> {
        let mut current = self.lock();
        if let Some(file) = &self.file
            && current.checked_at.elapsed() >= CHECK_INTERVAL
        {
            current.reload_if_changed(file);
        }
        current.known.clone().map_err(|_| TokensUnavailable)
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Current {
    /// A file that could not be read is tried again even if it seems unchanged.
    fn reload_if_changed(&mut self, file: &Path) {
        if self.known.is_err() || Version::of(file) != self.version {
            self.reload(file);
        } else {
            self.checked_at = Instant::now();
        }
    }

    fn reload(&mut self, file: &Path) {
        self.checked_at = Instant::now();
        // Taken before the file is read, so that a change in between is found by the next check.
        self.version = Version::of(file);
        match read(file) {
            Ok(known) => {
                let tokens = known.callers().count();
                self.known = Ok(Arc::new(known));
                tracing::info!(tokens, "HTTP_TOKENS_FILE reloaded");
            }
            Err(problem) => {
                if self.known.as_ref().err() != Some(&problem) {
                    tracing::error!(
                        problem,
                        "HTTP_TOKENS_FILE cannot be read: no token is valid until it can"
                    );
                }
                self.known = Err(problem);
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
        Self {
            modified: file.modified().ok(),
            changed: (file.ctime(), file.ctime_nsec()),
            bytes: file.len(),
            inode: file.ino(),
        }
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

    /// A file with the token of `ada`, and the tokens loaded from it.
    fn from_file() -> (tempfile::TempDir, PathBuf, String, Tokens) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let ada = TokenFile::at(&path).add("ada", Role::Operator).unwrap().secret;
        let tokens = Tokens::of(&settings(&["--http-tokens-file", path.to_str().unwrap()]));
        (folder, path, ada, tokens.unwrap())
    }

    fn name_of(tokens: &Tokens, secret: &str) -> Option<String> {
        tokens.caller(secret).unwrap().map(|caller| caller.name)
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_file_is_reloaded_within_a_second() {
        let (_folder, path, ada, tokens) = from_file();

        let shop = TokenFile::at(&path).add("shop", Role::Store).unwrap().secret;
        TokenFile::at(&path).remove("ada").unwrap();
        assert_eq!(name_of(&tokens, &ada).as_deref(), Some("ada"));
        tokio::time::advance(CHECK_INTERVAL).await;

        assert_eq!(name_of(&tokens, &ada), None);
        assert_eq!(name_of(&tokens, &shop).as_deref(), Some("shop"));
    }

    #[tokio::test(start_paused = true)]
    async fn no_token_is_valid_while_the_file_is_broken_or_gone() {
        let (_folder, path, ada, tokens) = from_file();
        let lines = std::fs::read_to_string(&path).unwrap();

        std::fs::write(&path, "no token").unwrap();
        tokio::time::advance(CHECK_INTERVAL).await;
        assert_eq!(tokens.caller(&ada), Err(TokensUnavailable));

        std::fs::remove_file(&path).unwrap();
        tokio::time::advance(CHECK_INTERVAL).await;
        assert_eq!(tokens.caller(&ada), Err(TokensUnavailable));

        std::fs::write(&path, lines).unwrap();
        tokio::time::advance(CHECK_INTERVAL).await;
        assert_eq!(name_of(&tokens, &ada).as_deref(), Some("ada"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reload_does_not_wait_for_the_next_check() {
        let (_folder, path, ada, tokens) = from_file();

        TokenFile::at(&path).remove("ada").unwrap();
        tokens.reload();

        assert_eq!(name_of(&tokens, &ada), None);
    }

    #[tokio::test(start_paused = true)]
    async fn removing_the_last_token_does_not_open_access() {
        let (_folder, path, ada, tokens) = from_file();

        TokenFile::at(&path).remove("ada").unwrap();
        tokio::time::advance(CHECK_INTERVAL).await;

        assert_eq!(name_of(&tokens, &ada), None);
        assert!(tokens.are_required());
    }

    #[test]
    fn tokens_are_required_unless_neither_setting_is_present() {
        let empty = tempfile::NamedTempFile::new().unwrap();
        let file = format!("--http-tokens-file={}", empty.path().display());

        assert!(!Tokens::of(&settings(&["--http-tokens="])).unwrap().are_required());
        assert!(Tokens::of(&settings(&[&file])).unwrap().are_required());
        assert!(Tokens::of(&settings(&["--http-tokens=#"])).unwrap().are_required());
    }

    #[test]
    fn an_invalid_list_names_its_setting() {
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
