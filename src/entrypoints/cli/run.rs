//! `run`: the worker.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::CommandFailed;
use super::signals::{Shutdown, ignore_other_signals, reload_on_hangup, shutdown_on_signal};
use super::stdin::feed;
use crate::adapters::in_process::InProcessBroker;
use crate::bootstrap::{Broker, Database};
use crate::config::{DEFAULT_DATABASE_URL, Settings};
use crate::entrypoints::Worker;
use crate::entrypoints::command_client::{CommandClient, CommandQueue};
use crate::entrypoints::http::auth::Tokens;
use crate::entrypoints::http::{App, Server, record_history};
use crate::messages::Publication;
use crate::service_layer::{Health, ServerUrl};

/// What standard input is, for a worker with the in-process broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    /// A file or pipe with commands; the worker ends with it.
    File,
    /// A terminal on which commands are typed; the worker ends with it.
    Terminal,
    /// Nothing to read: the worker runs until it is stopped.
    Nothing,
}

pub async fn run(settings: Settings) -> Result<(), CommandFailed> {
    let Shutdown { stop, stop_http } = shutdown_on_signal(settings.http_drain())?;
    ignore_other_signals()?;
    let health = Health::default();
    health.stops_with(stop.clone());
    let broker = Broker::of(&settings)?.counted_in(health.metrics());
    // Invalid settings are reported before the wait for the servers.
    settings.check_retention()?;
    let (requests, queue) = CommandClient::channel();
    let app = App::new(&settings, &broker, &health, requests)?;
    let reload = Reload::on_hangup(&app, &stop)?;
    reload.add(broker.current_url());
    let (serving, address) = serve(&settings, &broker, &app, &stop_http).await?;
    // Samples are visible over HTTP only.
    let mut sampling = JoinSet::new();
    if address.is_some() {
        sampling.spawn(record_history(app.clone(), stop.clone()));
        sampling.spawn(broker.clone().sample(health.metrics().clone(), stop.clone()));
    }
    let database = tokio::select! {
        database = Database::ready(&settings, &health) => database?,
        () = stop.cancelled() => return Ok(()),
    };
    reload.add(database.current_url());
    app.set_database(database.clone());
    if address.is_some() {
        sampling.spawn(database.clone().sample(health.metrics().clone(), stop.clone()));
    }
    drop(app);
    log_start(&settings, address)?;
    let worker = Worker { settings, database, broker, health };
    let worked = match &worker.broker {
        Broker::RabbitMq(_) => work(&worker, queue, &stop).await,
        Broker::InProcess(broker) => {
            let printing = tokio::spawn(print_events(broker.subscribe()));
            let feeding = feed_from_standard_input(broker, stop.clone());
            let (worked, fed) = tokio::join!(work(&worker, queue, &stop), feeding);
            drop(worker);
            // Ends after the last event, as the broker was dropped with the worker.
            printing.await.map_err(std::io::Error::other)??;
            worked.and(fed)
        }
    };
    // Either the lane of HTTP commands has ended, or the time is over.
    serving.abort();
    sampling.join_all().await;
    worked
}

/// What SIGHUP reads again. It does not hold the [`App`], whose last clone ends the lane of HTTP commands.
#[derive(Debug, Clone)]
struct Reload {
    tokens: Arc<Tokens>,
    urls: Arc<Mutex<Vec<ServerUrl>>>,
}

impl Reload {
    /// Closing the terminal of a worker sends SIGHUP too: then the worker stops.
    fn on_hangup(app: &App, stop: &CancellationToken) -> std::io::Result<Self> {
        let reload = Self { tokens: app.tokens.clone(), urls: Arc::default() };
        let (reloaded, stop) = (reload.clone(), stop.clone());
        reload_on_hangup(move || match input() {
            Input::Terminal => stop.cancel(),
            Input::File | Input::Nothing => reloaded.read_again(),
        })?;
        Ok(reload)
    }

    fn add(&self, url: Option<&ServerUrl>) {
        self.lock().extend(url.cloned());
    }

    fn read_again(&self) {
        tracing::info!("SIGHUP: reading the files of tokens and URLs again");
        self.tokens.reload();
        for url in &*self.lock() {
            url.read();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<ServerUrl>> {
        self.urls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the HTTP server, unless the worker is used as a filter of standard input and HTTP_ADDR is not
/// set.
async fn serve(
    settings: &Settings,
    broker: &Broker,
    app: &App,
    stop: &CancellationToken,
) -> Result<(JoinHandle<()>, Option<SocketAddr>), CommandFailed> {
    let is_filter = matches!(broker, Broker::InProcess(_)) && input() == Input::File;
    let server = match settings.http_addr {
        None if is_filter => None,
        _ => Server::bind(settings).await?,
    };
    let Some(server) = server else { return Ok((tokio::spawn(async {}), None)) };
    let address = server.address;
    Ok((tokio::spawn(server.run(app.clone(), stop.clone())), Some(address)))
}

/// Runs the worker until it is stopped and has finished, or the grace period is over.
async fn work(
    worker: &Worker,
    requests: CommandQueue,
    stop: &CancellationToken,
) -> Result<(), CommandFailed> {
    let grace = worker.settings.shutdown_grace();
    let out_of_time = async {
        stop.cancelled().await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        worked = worker.run(Some(requests), stop.clone()) => {
            tracing::info!("Stopped");
            Ok(worked?)
        }
        () = out_of_time => {
            let seconds = grace.as_secs();
            Err(CommandFailed::Message(format!(
                "work in progress was not finished within SHUTDOWN_GRACE_SECONDS ({seconds} s): unacknowledged commands are redelivered, and a relay publishes the outbox later"
            )))
        }
    }
}

fn log_start(settings: &Settings, address: Option<SocketAddr>) -> Result<(), CommandFailed> {
    let broker = settings.broker_url()?;
    let database = settings.database()?.into_url();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        broker = broker.as_ref().map_or("in-process".to_owned(), ToString::to_string),
        %database,
        lanes = settings.lanes,
        batch_max = settings.batch_max,
        prefetch = settings.prefetch,
        http = address.map(tracing::field::display),
        "Worker starts"
    );
    if let Some(address) = address {
        announce_http(settings, address)?;
    }
    if broker.is_some() {
        return Ok(());
    }
    let hint = match input() {
        Input::File => "Reading commands from standard input, one JSON object a line.",
        Input::Terminal => {
            "Type commands, one JSON object a line, and end with Ctrl-D. For example:\n  \
             {\"type\": \"PlaceOrder\", \"order_id\": 7, \"order_customer\": {\"customer_id\": 14, \"name\": \"Ada\", \
             \"email\": \"ada@example.com\"}, \"items\": [{\"product_id\": 1, \"name\": \"Chess\", \"quantity\": 1, \
             \"price_per_unit\": \"12.50\"}]}\nTo see example commands processed, run: order-worker demo"
        }
        Input::Nothing => {
            "Standard input is empty: pipe commands in, one JSON object a line, or set AMQP_URL."
        }
    };
    let orders =
        if database.expose() == DEFAULT_DATABASE_URL { "order-worker.db" } else { "the database" };
    eprintln!(
        "AMQP_URL is not set: using the in-process broker; orders are stored in {orders}.\n{hint}"
    );
    Ok(())
}

fn announce_http(settings: &Settings, address: SocketAddr) -> Result<(), CommandFailed> {
    if settings.http_token_lines()?.is_none() {
        tracing::warn!("HTTP_TOKENS is not set: only localhost can connect, with full access");
    }
    let shown = match address.ip() {
        ip if ip.is_unspecified() => format!("127.0.0.1:{}", address.port()),
        _ => address.to_string(),
    };
    eprintln!("The console is at http://{shown}/");
    Ok(())
}

async fn feed_from_standard_input(
    broker: &InProcessBroker,
    stop: CancellationToken,
) -> Result<(), CommandFailed> {
    if input() == Input::Nothing {
        return Ok(());
    }
    let feeding = feed(BufReader::new(tokio::io::stdin()), broker);
    let fed = tokio::select! {
        fed = feeding => fed,
        () = stop.cancelled() => return Ok(()),
    };
    stop.cancel();
    match fed?.invalid {
        0 => Ok(()),
        invalid => Err(CommandFailed::Message(format!("{invalid} lines were not commands"))),
    }
}

/// Distinguishes a file or pipe from a terminal, and from what service managers leave open.
fn input() -> Input {
    use std::os::unix::fs::FileTypeExt;
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return Input::Terminal;
    }
    match std::fs::metadata("/dev/stdin").map(|metadata| metadata.file_type()) {
        Ok(kind) if kind.is_file() || kind.is_fifo() || kind.is_socket() => Input::File,
        _ => Input::Nothing,
    }
}

/// Prints each event as a JSON line. A slow reader must not block a thread of the runtime: that thread
/// could be processing the very commands whose events the reader waits for.
async fn print_events(mut events: mpsc::UnboundedReceiver<Publication>) -> std::io::Result<()> {
    const MAX_AT_ONCE: usize = 500;
    let mut out = tokio::io::stdout();
    let (mut waiting, mut lines) = (Vec::new(), Vec::new());
    while events.recv_many(&mut waiting, MAX_AT_ONCE).await > 0 {
        lines.clear();
        for event in waiting.drain(..) {
            lines.extend_from_slice(&event.body);
            lines.push(b'\n');
        }
        out.write_all(&lines).await?;
        out.flush().await?;
    }
    Ok(())
}
