//! A worker with its console, and clients that act as browsers.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, Response, StatusCode, header};
use clap::{CommandFactory, FromArgMatches};
use order_worker::bootstrap::{Broker, Database};
use order_worker::domain::OrderId;
use order_worker::entrypoints::Worker;
use order_worker::entrypoints::cli::Program;
use order_worker::entrypoints::command_client::CommandClient;
use order_worker::entrypoints::http::auth::{Role, Token};
use order_worker::entrypoints::http::{App, routes};
use order_worker::messages::{Message, Outcome};
use order_worker::service_layer::{Health, OrderHistory};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// A worker that runs as long as the test.
pub struct Console {
    routes: Router,
    requests: CommandClient,
    pub database: Database,
    pub broker: Broker,
    pub health: Health,
    tokens: Vec<(Role, String)>,
    pub tokens_file: PathBuf,
    _worker: JoinHandle<()>,
    _folder: TempDir,
}

/// A client that acts as a browser.
pub struct Browser<'a> {
    console: &'a Console,
    pub cookie: Mutex<Option<String>>,
    pub peer: SocketAddr,
    /// The origin of the pages from which it submits forms.
    pub origin: &'static str,
    /// In addition to those that every browser sends.
    pub headers: Vec<(&'static str, String)>,
}

/// A complete response.
#[derive(Debug)]
pub struct Page {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Console {
    /// Without tokens: localhost has full access.
    pub async fn without_tokens() -> Self {
        Self::start(Vec::new(), &[]).await
    }

    /// With a token for each role, named after the role.
    pub async fn with_tokens() -> Self {
        Self::start(Self::tokens(), &[]).await
    }

    /// With tokens, and with a RabbitMQ that cannot be reached.
    pub async fn on_rabbitmq() -> Self {
        Self::start(Self::tokens(), &["--amqp-url=amqp://127.0.0.1:1/%2f"]).await
    }

    fn tokens() -> Vec<(Role, Token)> {
        Role::ALL.map(|role| (role, Token::new(role.as_str(), role).unwrap())).into()
    }

    async fn start(tokens: Vec<(Role, Token)>, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("orders.db").display());
        let lines: Vec<&str> = tokens.iter().map(|(_, token)| token.line.as_str()).collect();
        // A command for an order that does not exist is a dead letter at once.
        let program = ["order-worker", "--max-attempts", "1", "--database-url"];
        let mut arguments: Vec<String> = program.map(str::to_owned).into();
        arguments.push(url);
        arguments.extend(more.iter().copied().map(str::to_owned));
        let tokens_file = folder.path().join("tokens");
        if !lines.is_empty() {
            std::fs::write(&tokens_file, lines.join("\n")).unwrap();
            arguments.push(format!("--http-tokens-file={}", tokens_file.display()));
        }
        // Ignores the environment variables of tests with servers.
        let command = Program::command().mut_args(|argument| argument.env(None::<&str>));
        let matches = command.try_get_matches_from(arguments).unwrap();
        let settings = Program::from_arg_matches(&matches).unwrap().settings;

        let (health, broker) = (Health::default(), Broker::of(&settings).unwrap());
        let database = Database::ready(&settings, &health).await.unwrap();
        let (requests, queue) = CommandClient::channel();
        let app = App::new(&settings, &broker, &health, requests.clone()).unwrap();
        app.set_database(database.clone());
        let worker = Worker {
            settings,
            database: database.clone(),
            broker: broker.clone(),
            health: health.clone(),
        };
        let worker = tokio::spawn(async move {
            worker.run(Some(queue), CancellationToken::new()).await.unwrap();
        });
        Self {
            routes: routes(&app),
            requests,
            database,
            broker,
            health,
            tokens: tokens.into_iter().map(|(role, token)| (role, token.secret)).collect(),
            tokens_file,
            _worker: worker,
            _folder: folder,
        }
    }

    /// A browser on localhost.
    pub fn browser(&self) -> Browser<'_> {
        let peer = SocketAddr::from(([127, 0, 0, 1], 50_000));
        let origin = "http://127.0.0.1:8080";
        Browser { console: self, cookie: Mutex::default(), peer, origin, headers: Vec::new() }
    }

    pub fn secret(&self, role: Role) -> &str {
        self.tokens.iter().find(|(known, _)| *known == role).map(|(_, secret)| secret).unwrap()
    }

    /// A browser that has signed in.
    pub async fn signed_in(&self, role: Role) -> Browser<'_> {
        let browser = self.browser();
        let response = browser.submit("/sign-in", &[("token", self.secret(role))]).await;
        assert_eq!(response.status, StatusCode::SEE_OTHER, "{}", response.body);
        browser
    }

    /// Submits a command, as the API does.
    pub async fn handle(&self, message: Message) -> Outcome {
        self.requests.handle(message).await.unwrap()
    }

    pub async fn order(&self, order_id: &str) -> OrderHistory {
        let order_id = OrderId::new(order_id).unwrap();
        self.database.orders().order(&order_id).await.unwrap().expect("the order is there")
    }
}

impl Browser<'_> {
    pub async fn get(&self, path: &str) -> Page {
        Page::read(self.response(Request::get(path), Body::empty()).await).await
    }

    /// Submits a form with just these fields.
    pub async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let pairs: Vec<_> =
            fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let request = Request::post(path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", self.origin);
        let response = self.response(request, Body::from(pairs.join("&"))).await;
        Page::read(response).await
    }

    /// Opens a page and submits one of its forms, with its hidden fields and these.
    pub async fn press(&self, page: &str, action: &str, fields: &[(&str, &str)]) -> Page {
        self.submit_from(&self.get(page).await, action, action, fields).await
    }

    /// Submits a form of a page that has been loaded, to the path of one of its buttons.
    pub async fn submit_from(
        &self,
        page: &Page,
        action: &str,
        sent_to: &str,
        fields: &[(&str, &str)],
    ) -> Page {
        let (_, form) =
            page.body.split_once(&format!("action=\"{action}\"")).unwrap_or_else(|| {
                panic!("there is no form {action} in {} {}", page.status, page.body)
            });
        let (form, _) = form.split_once("</form>").unwrap();
        let form = form.replace("&amp;", "&");
        let hidden: Vec<_> = form.split("<input type=\"hidden\" name=\"").skip(1).collect();
        let mut all: Vec<(&str, &str)> = hidden.iter().map(|it| name_and_value(it)).collect();
        all.extend(fields);
        self.submit(sent_to, &all).await
    }

    /// The response, with its body as a stream.
    pub async fn response(
        &self,
        request: axum::http::request::Builder,
        body: Body,
    ) -> Response<Body> {
        let mut request = request.header("host", "127.0.0.1:8080").header("accept", "text/html");
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if let Some(cookie) = &*self.cookie.lock().unwrap() {
            request = request.header("cookie", cookie);
        }
        let mut request = request.body(body).unwrap();
        request.extensions_mut().insert(ConnectInfo(self.peer));
        let response = self.console.routes.clone().oneshot(request).await.unwrap();
        if let Some(cookie) = response.headers().get(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap().split(';').next().unwrap();
            *self.cookie.lock().unwrap() = Some(cookie.to_owned());
        }
        response
    }
}

impl Page {
    async fn read(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let body: Bytes = to_bytes(body, 10_000_000).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Self { status: parts.status, headers: parts.headers, body }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The path that the response redirects to.
    pub fn redirect(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        self.header("location")
    }
}

/// Fails if the future does not complete within a minute.
pub async fn within_a_minute<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), what).await.expect("it completes within a minute")
}

/// Splits the start of a field, such as `csrf" value="…">…`.
fn name_and_value(field: &str) -> (&str, &str) {
    let (name, rest) = field.split_once("\" value=\"").unwrap();
    (name, rest.split_once('"').unwrap().0)
}

fn encoded(value: &str) -> String {
    value.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat()
}
