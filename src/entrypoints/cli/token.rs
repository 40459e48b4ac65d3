//! `token`: the tokens of users and clients of HTTP.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::CommandFailed;
use super::output::{print_json, print_line, table};
use crate::config::Settings;
use crate::entrypoints::http::auth::{NotChanged, Role, Token, TokenFile, is_name};

#[derive(Debug, Subcommand)]
pub enum TokenAction {
    /// Create a token. Its secret is printed once and not stored; a line with its hash is added to the
    /// file, or without a file printed, for HTTP_TOKENS.
    New(New),
    /// List the names and roles of the tokens in the file.
    List(List),
    /// Remove a token from the file.
    Remove(Remove),
}

#[derive(Debug, Args)]
pub struct New {
    /// The user or client: 1 to 40 letters, digits, - or _. The name appears in audit logs.
    #[arg(long, value_parser = name)]
    name: String,
    /// What the token permits.
    #[arg(long)]
    role: Role,
    #[command(flatten)]
    file: TokensFile,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    file: TokensFile,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct Remove {
    /// The name of the token.
    #[arg(value_parser = name)]
    name: String,
    #[command(flatten)]
    file: TokensFile,
}

#[derive(Debug, Args)]
struct TokensFile {
    /// The file of tokens; by default HTTP_TOKENS_FILE.
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
}

fn name(text: &str) -> Result<String, &'static str> {
    let fits = is_name(text).then(|| text.to_owned());
    fits.ok_or("must have 1 to 40 letters, digits, - or _")
}

impl TokenAction {
    pub fn run(self, settings: &Settings) -> Result<(), CommandFailed> {
        match self {
            Self::New(new) => new.run(settings),
            Self::List(list) => list.run(settings),
            Self::Remove(remove) => remove.run(settings),
        }
    }
}

impl TokensFile {
    fn path<'a>(&'a self, settings: &'a Settings) -> Option<&'a Path> {
        let set =
            || settings.http_tokens_file.as_deref().filter(|path| !path.as_os_str().is_empty());
        self.file.as_deref().or_else(set)
    }

    fn required_path<'a>(&'a self, settings: &'a Settings) -> Result<&'a Path, CommandFailed> {
        self.path(settings).ok_or_else(|| {
            CommandFailed::message("no file of tokens: pass --file PATH or set HTTP_TOKENS_FILE")
        })
    }
}

impl New {
    fn run(&self, settings: &Settings) -> Result<(), CommandFailed> {
        let file = self.file.path(settings);
        let token = match file {
            Some(path) => TokenFile::at(path).add(&self.name, self.role).map_err(about(path))?,
            None => Token::new(&self.name, self.role).map_err(|error| {
                CommandFailed::message(format!("the system has no random numbers: {error}"))
            })?,
        };
        self.print(&token, file)?;
        print_next_step(file);
        Ok(())
    }

    fn print(&self, token: &Token, file: Option<&Path>) -> Result<(), CommandFailed> {
        if self.json {
            let Self { name, role, .. } = self;
            return print_json(&json!({
                "name": name,
                "role": role.as_str(),
                "secret": token.secret,
                "line": token.line,
                "file": file,
            }));
        }
        print_line(&token.secret)?;
        match file {
            Some(_) => Ok(()),
            None => print_line(&token.line),
        }
    }
}

/// Explains the next step. Without the secret, as standard error may be logged.
fn print_next_step(file: Option<&Path>) {
    let next = match file {
        Some(path) => {
            let path = path.display();
            format!("Workers with HTTP_TOKENS_FILE={path} accept it within a second.")
        }
        None => "Add the second line to HTTP_TOKENS and restart the worker.".to_owned(),
    };
    eprintln!("Clients send it in the header Authorization: Token owt_…\n{next}");
}

impl List {
    fn run(&self, settings: &Settings) -> Result<(), CommandFailed> {
        let path = self.file.required_path(settings)?;
        let callers = TokenFile::at(path).callers().map_err(about(path))?;
        if self.json {
            let callers = callers.iter();
            let bodies = callers.map(|it| json!({"name": it.name, "role": it.role.as_str()}));
            return print_json(&bodies.collect::<Vec<_>>());
        }
        let mut table = table(["name", "role"]);
        for caller in &callers {
            table.add_row([&caller.name, caller.role.as_str()]);
        }
        print_line(&table.to_string())?;
        print_line(&format!("{} tokens", callers.len()))
    }
}

impl Remove {
    fn run(&self, settings: &Settings) -> Result<(), CommandFailed> {
        let path = self.file.required_path(settings)?;
        TokenFile::at(path).remove(&self.name).map_err(about(path))?;
        let path = path.display();
        eprintln!("Workers with HTTP_TOKENS_FILE={path} reject it within a second.");
        Ok(())
    }
}

fn about(path: &Path) -> impl Fn(NotChanged) -> CommandFailed {
    let path = path.display().to_string();
    move |error| CommandFailed::message(format!("{path}: {error}"))
}
