//! URLs in files, which may change while the worker runs.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::{InvalidSetting, SecretUrl, Settings, read};

/// A URL that is read from its file before each connection.
#[derive(Debug)]
pub struct UrlFile {
    variable: &'static str,
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    url: SecretUrl,
    /// Why the file could not be read the last time.
    problem: Option<String>,
}

impl Settings {
    /// The file of the broker's URL, unless AMQP_URL itself is set.
    ///
    /// # Errors
    /// When it cannot be read, or contains no AMQP address.
    pub fn broker_url_file(&self) -> Result<Option<UrlFile>, InvalidSetting> {
        let path = file_in_use(self.amqp_url.as_ref(), self.amqp_url_file.as_deref());
        let (Some(path), Some(url)) = (path, self.broker_url()?) else { return Ok(None) };
        Ok(Some(UrlFile::new("AMQP_URL_FILE", path, url)))
    }

    /// The file of the database's URL, unless DATABASE_URL itself is set.
    ///
    /// # Errors
    /// When it cannot be read, or contains no address of a database.
    pub fn database_url_file(&self) -> Result<Option<UrlFile>, InvalidSetting> {
        let path = file_in_use(self.database_url.as_ref(), self.database_url_file.as_deref());
        let Some(path) = path else { return Ok(None) };
        let url = self.database()?.into_url();
        Ok(Some(UrlFile::new("DATABASE_URL_FILE", path, url)))
    }
}

fn file_in_use<'a>(url: Option<&SecretUrl>, path: Option<&'a Path>) -> Option<&'a Path> {
    let is_set = url.is_some_and(|url| !url.0.is_empty());
    path.filter(|path| !is_set && !path.as_os_str().is_empty())
}

impl UrlFile {
    fn new(variable: &'static str, path: &Path, url: SecretUrl) -> Self {
        let state = Mutex::new(State { url, problem: None });
        Self { variable, path: path.to_owned(), state }
    }

    /// Reads the file again. While it cannot be read, its previous content stays in use. Changes and
    /// problems are logged once.
    pub fn current(&self) -> SecretUrl {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let variable = self.variable;
        match self.read() {
            Ok(url) => {
                if state.problem.take().is_some() || url != state.url {
                    tracing::info!(variable, %url, "Read again: new connections use this URL");
                }
                state.url = url;
            }
            Err(problem) => {
                if state.problem.as_ref() != Some(&problem) {
                    tracing::warn!(problem, "The URL that was read before stays in use");
                }
                state.problem = Some(problem);
            }
        }
        state.url.clone()
    }

    /// A file that is being written may be empty.
    fn read(&self) -> Result<SecretUrl, String> {
        let text = read(self.variable, &self.path).map_err(|invalid| invalid.to_string())?;
        match text.trim() {
            "" => Err(format!("{}: {} is empty", self.variable, self.path.display())),
            url => Ok(SecretUrl::new(url)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::settings;
    use super::*;

    fn file_with(url: &str) -> (tempfile::NamedTempFile, UrlFile) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), url).unwrap();
        let argument = format!("--amqp-url-file={}", file.path().display());
        let url_file = settings(&[&argument]).unwrap().broker_url_file().unwrap().unwrap();
        (file, url_file)
    }

    #[test]
    fn a_changed_file_is_read_again() {
        let (file, url) = file_with("amqp://user:old@broker/");
        std::fs::write(file.path(), "amqp://user:new@broker/\n").unwrap();

        assert_eq!(url.current().expose(), "amqp://user:new@broker/");
    }

    #[test]
    fn a_file_that_is_empty_or_gone_leaves_its_previous_url_in_use() {
        let (file, url) = file_with("amqp://user:old@broker/");
        std::fs::write(file.path(), "\n").unwrap();
        assert_eq!(url.current().expose(), "amqp://user:old@broker/");

        let path = file.into_temp_path();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(url.current().expose(), "amqp://user:old@broker/");

        std::fs::write(&path, "amqp://user:new@broker/").unwrap();
        assert_eq!(url.current().expose(), "amqp://user:new@broker/");
    }

    #[test]
    fn a_file_is_not_read_if_the_url_itself_is_set() {
        let given = settings(&["--amqp-url=amqp://a", "--amqp-url-file=/no/such/file"]).unwrap();

        assert!(given.broker_url_file().unwrap().is_none());
    }
}
