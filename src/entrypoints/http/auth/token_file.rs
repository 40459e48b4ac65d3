//! The file of tokens, as `order-worker token` changes it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use super::token::entries;
use super::{Caller, InvalidTokens, KnownTokens, Role, Token};

/// Lines of tokens in a file, which workers may be reading. Comments in it stay.
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
}

/// Why the file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum NotChanged {
    #[error("{0} is there already: remove it first, or take another name")]
    NameTaken(String),
    #[error("there is no token {0}")]
    NameUnknown(String),
    #[error("the file is no list of tokens: {0}")]
    Invalid(#[from] InvalidTokens),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl TokenFile {
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Whose tokens are in it.
    ///
    /// # Errors
    /// When it cannot be read, or is no list of tokens.
    pub fn callers(&self) -> Result<Vec<Caller>, NotChanged> {
        let lines = std::fs::read_to_string(&self.path)?;
        Ok(KnownTokens::parse(&lines)?.callers().cloned().collect())
    }

    /// Makes a token and adds its line, in one write. A file that is made for it is its owner's
    /// alone to read.
    ///
    /// # Errors
    /// See [`NotChanged`].
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

    /// Takes a token out. Readers see the file before or after that, never a part of it.
    ///
    /// # Errors
    /// See [`NotChanged`].
    pub fn remove(&self, name: &str) -> Result<(), NotChanged> {
        let (file, lines) = self.locked(OpenOptions::new().read(true))?;
        if !KnownTokens::parse(&lines)?.callers().any(|known| known.name == name) {
            return Err(NotChanged::NameUnknown(name.to_owned()));
        }
        // The file itself, should the path be a link to it.
        let path = self.path.canonicalize()?;
        let mut next = path.clone().into_os_string();
        next.push(".next");
        let mut fresh = made_like(&file, Path::new(&next))?;
        fresh.write_all(without(&lines, name).as_bytes())?;
        fresh.sync_all()?;
        Ok(std::fs::rename(next, path)?)
    }

    /// The file, for this process alone to change until it is closed, and what is in it.
    fn locked(&self, options: &OpenOptions) -> std::io::Result<(File, String)> {
        loop {
            let mut file = options.open(&self.path)?;
            file.lock()?;
            // Another process may have put a new file in its place while this one waited.
            if file.metadata()?.ino() == std::fs::metadata(&self.path)?.ino() {
                let mut lines = String::new();
                file.read_to_string(&mut lines)?;
                return Ok((file, lines));
            }
        }
    }
}

/// An empty file with the owner and the mode of another: whoever could read that can read this.
fn made_like(model: &File, path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    let fresh = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let (model, made) = (model.metadata()?, fresh.metadata()?);
    if (model.uid(), model.gid()) != (made.uid(), made.gid()) {
        fchown(&fresh, Some(model.uid()), Some(model.gid()))?;
    }
    fresh.set_permissions(model.permissions())?;
    Ok(fresh)
}

/// The lines without this token's; what else is on its line stays.
fn without(lines: &str, name: &str) -> String {
    let is_its = |entry: &str| entry.split(':').next() == Some(name);
    let keep = |line: &str| -> Option<String> {
        if !entries(line).any(is_its) {
            return Some(line.to_owned());
        }
        let others: Vec<&str> = entries(line).filter(|entry| !is_its(entry)).collect();
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
    fn a_token_is_added_as_its_hash_to_a_file_for_its_owner_alone() {
        let folder = Folder::new();

        let token = folder.file().add("shop", Role::Store).unwrap();

        assert_eq!(folder.lines(), format!("{}\n", token.line));
        assert!(!folder.lines().contains(&token.secret));
        let mode = std::fs::metadata(folder.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_name_is_given_once() {
        let folder = Folder::new();
        folder.file().add("shop", Role::Store).unwrap();
        let lines = folder.lines();

        let refused = folder.file().add("shop", Role::Operator);

        assert!(matches!(refused, Err(NotChanged::NameTaken(_))), "{refused:?}");
        assert_eq!(folder.lines(), lines);
    }

    #[test]
    fn a_file_that_is_no_list_stays_as_it_is() {
        let folder = Folder::new();
        std::fs::write(folder.path(), "amqp://user:secret@host").unwrap();

        for refused in [folder.file().add("a", Role::Store).map(drop), folder.file().remove("a")] {
            let error = refused.unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        assert_eq!(folder.lines(), "amqp://user:secret@host");
    }

    #[test]
    fn a_last_line_without_an_end_is_not_run_into() {
        let folder = Folder::new();
        let first = Token::new("ada", Role::Operator).unwrap().line;
        std::fs::write(folder.path(), &first).unwrap();

        let second = folder.file().add("shop", Role::Store).unwrap().line;

        assert_eq!(folder.lines(), format!("{first}\n{second}\n"));
    }

    #[test]
    fn a_removed_token_leaves_its_neighbours_their_comments_and_the_mode() {
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
    fn tokens_that_are_made_and_removed_at_once_do_not_lose_each_other() {
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
