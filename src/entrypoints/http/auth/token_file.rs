//! The token file, as `order-worker token` changes it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::token::entries;
use super::{Caller, InvalidTokens, KnownTokens, Role, Token};

/// A file of token lines. Workers may read it at any time; comments in it are kept.
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
}

/// Why the file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum NotChanged {
    #[error("the token {0} exists already: remove it first, or choose another name")]
    NameTaken(String),
    #[error("there is no token {0}")]
    NameUnknown(String),
    #[error("the file is not a list of tokens: {0}")]
    Invalid(#[from] InvalidTokens),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl TokenFile {
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// The callers with a token in the file.
    ///
    /// # Errors
    /// When the file cannot be read, or is not a list of tokens.
    pub fn callers(&self) -> Result<Vec<Caller>, NotChanged> {
        let lines = std::fs::read_to_string(&self.path)?;
        Ok(KnownTokens::parse(&lines)?.callers().cloned().collect())
    }

    /// Creates a token and appends its line in one write. Creates the file if needed, readable by its
    /// owner only.
    ///
    /// # Errors
    /// When the name is taken, or the file is not a list of tokens or cannot be written.
    pub fn add(&self, name: &str, role: Role) -> Result<Token, NotChanged> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        let (mut file, lines) = self.locked(&options)?;
        if KnownTokens::parse(&lines)?.callers().any(|known| known.name == name) {
            return Err(NotChanged::NameTaken(name.to_owned()));
        }
        let token = Token::new(name, role).map_err(std::io::Error::other)?;
        let before = if lines.is_empty() || lines.ends_with('\n') { "" } else { "\n" };
        file.write_all(format!("{before}{}\n", token.line).as_bytes())?;
        file.sync_all()?;
        Ok(token)
    }

    /// Removes a token by replacing the file: readers see all of the old or all of the new one.
    ///
    /// # Errors
    /// When there is no such token, or the file is not a list of tokens or cannot be replaced.
    pub fn remove(&self, name: &str) -> Result<(), NotChanged> {
        let (file, lines) = self.locked(OpenOptions::new().read(true))?;
        if !KnownTokens::parse(&lines)?.callers().any(|known| known.name == name) {
            return Err(NotChanged::NameUnknown(name.to_owned()));
        }
        // Replaces the file itself, not a link to it.
        let path = self.path.canonicalize()?;
        let mut new = new_file_like(&file, &path)?;
        new.write_all(without(&lines, name).as_bytes())?;
        new.as_file().sync_all()?;
        new.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    /// The file, locked until it is closed, and its content.
    fn locked(&self, options: &OpenOptions) -> std::io::Result<(File, String)> {
        loop {
            let mut file = options.open(&self.path)?;
            file.lock()?;
            // Another process may have replaced the file while this one waited for the lock.
            if file.metadata()?.ino() == std::fs::metadata(&self.path)?.ino() {
                let mut lines = String::new();
                file.read_to_string(&mut lines)?;
                return Ok((file, lines));
            }
        }
    }
}

/// An empty temporary file in the same directory, with the same owner and mode.
fn new_file_like(file: &File, path: &Path) -> std::io::Result<NamedTempFile> {
    let new = NamedTempFile::new_in(path.parent().unwrap_or(Path::new("/")))?;
    let (old, made) = (file.metadata()?, new.as_file().metadata()?);
    if (old.uid(), old.gid()) != (made.uid(), made.gid()) {
        fchown(new.as_file(), Some(old.uid()), Some(old.gid()))?;
    }
    new.as_file().set_permissions(old.permissions())?;
    Ok(new)
}

/// The lines without this token's entry; other entries on its line are kept.
fn without(lines: &str, name: &str) -> String {
    let is_removed = |entry: &str| entry.split(':').next() == Some(name);
    let keep = |line: &str| -> Option<String> {
        if !entries(line).any(is_removed) {
            return Some(line.to_owned());
        }
        let others: Vec<&str> = entries(line).filter(|entry| !is_removed(entry)).collect();
        (!others.is_empty()).then(|| format!("{}\n", others.join(" ")))
    };
    lines.split_inclusive('\n').filter_map(keep).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("tokens")
        }

        fn file(&self) -> TokenFile {
            TokenFile::at(&self.path())
        }

        fn lines(&self) -> String {
            std::fs::read_to_string(self.path()).unwrap()
        }
    }

    #[test]
    fn a_token_is_added_as_its_hash_to_a_file_only_its_owner_can_read() {
        let folder = Folder::new();

        let token = folder.file().add("shop", Role::Store).unwrap();

        assert_eq!(folder.lines(), format!("{}\n", token.line));
        assert!(!folder.lines().contains(&token.secret));
        let mode = std::fs::metadata(folder.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_name_can_be_used_once() {
        let folder = Folder::new();
        folder.file().add("shop", Role::Store).unwrap();
        let lines = folder.lines();

        let refused = folder.file().add("shop", Role::Operator);

        assert!(matches!(refused, Err(NotChanged::NameTaken(_))), "{refused:?}");
        assert_eq!(folder.lines(), lines);
    }

    #[test]
    fn a_file_that_is_not_a_list_is_not_changed() {
        let folder = Folder::new();
        std::fs::write(folder.path(), "amqp://user:secret@host").unwrap();

        for refused in [folder.file().add("a", Role::Store).map(drop), folder.file().remove("a")] {
            let error = refused.unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        assert_eq!(folder.lines(), "amqp://user:secret@host");
    }

    #[test]
    fn a_last_line_without_a_newline_is_completed_first() {
        let folder = Folder::new();
        let first = Token::new("ada", Role::Operator).unwrap().line;
        std::fs::write(folder.path(), &first).unwrap();

        let second = folder.file().add("shop", Role::Store).unwrap().line;

        assert_eq!(folder.lines(), format!("{first}\n{second}\n"));
    }

    #[test]
    fn removing_a_token_keeps_other_tokens_comments_and_the_mode() {
        let folder = Folder::new();
        let [ada, shop, bob] =
            ["ada", "shop", "bob"].map(|name| Token::new(name, Role::Viewer).unwrap().line);
        let lines = format!("# people\n{ada} {bob} # two\n{shop}\n");
        std::fs::write(folder.path(), lines).unwrap();
        let mode = std::fs::Permissions::from_mode(0o640);
        std::fs::set_permissions(folder.path(), mode.clone()).unwrap();

        folder.file().remove("shop").unwrap();
        folder.file().remove("bob").unwrap();

        assert_eq!(folder.lines(), format!("# people\n{ada}\n"));
        let after = std::fs::metadata(folder.path()).unwrap().permissions();
        assert_eq!(after.mode() & 0o777, mode.mode() & 0o777);
        assert!(matches!(folder.file().remove("bob"), Err(NotChanged::NameUnknown(_))));
    }

    #[test]
    fn concurrent_changes_are_not_lost() {
        let folder = Folder::new();
        folder.file().add("first", Role::Store).unwrap();

        std::thread::scope(|scope| {
            for thread in 0..8 {
                let file = folder.file();
                scope.spawn(move || {
                    for round in 0..10 {
                        let name = format!("t{thread}-{round}");
                        file.add(&name, Role::Store).unwrap();
                        if round % 2 == 1 {
                            file.remove(&name).unwrap();
                        }
                    }
                });
            }
        });

        assert_eq!(folder.file().callers().unwrap().len(), 1 + 8 * 5);
    }
}
