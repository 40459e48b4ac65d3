//! The console's pages of dead letters on real servers, through a plain HTTP client.

use lapin::BasicProperties;
use lapin::options::QueueBindOptions;
use lapin::types::FieldTable;
use order_worker::entrypoints::http::auth::{Role, Token};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::amqp_client::{AmqpClient, place};
use crate::test_env::{TestEnv, Worker, eventually};

/// A worker with a console session of the operator ada.
struct ConsoleSession {
    worker: Worker,
    address: String,
    cookie: String,
}

struct Page {
    head: String,
    body: String,
}

impl ConsoleSession {
    async fn at(env: &TestEnv) -> Self {
        let ada = Token::new("ada", Role::Operator).unwrap();
        let options = ["--http-addr", "127.0.0.1:0", "--http-tokens", &ada.line];
        let worker = env.start_worker_with(&options).await;
        let log = worker.log();
        let (_, address) =
            log.split_once("The console is at http://").expect("the address is logged");
        let address = address.split('/').next().unwrap().to_owned();
        let mut console = Self { worker, address, cookie: String::new() };
        let signed_in = console.request("POST", "/sign-in", &[("token", &ada.secret)]).await;
        let cookie = signed_in.header("set-cookie").split(';').next().unwrap();
        cookie.clone_into(&mut console.cookie);
        console
    }

    async fn request(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Page {
        let encoded = |text: &str| -> String {
            text.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat()
        };
        let pairs: Vec<String> =
            fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let body = pairs.join("&");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\naccept: text/html\r\n\
             cookie: {}\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             content-length: {}\r\n\r\n{body}",
            self.address,
            self.cookie,
            body.len(),
        );
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        Page { head: head.to_owned(), body: body.to_owned() }
    }

    async fn get(&self, path: &str) -> Page {
        self.request("GET", path, &[]).await
    }

    /// Submits the first form of a page with this action, to the path of one of its buttons.
    async fn submit_form(
        &self,
        page: &Page,
        action: &str,
        sent_to: &str,
        fields: &[(&str, &str)],
    ) -> Page {
        let form =
            page.body.split(&format!("action=\"{action}\"")).nth(1).unwrap_or_else(|| {
                panic!("there is no form {action} in {} {}", page.head, page.body)
            });
        let form = form.split("</form>").next().unwrap().replace("&amp;", "&");
        let hidden = form.split("<input type=\"hidden\" name=\"").skip(1).map(|field| {
            let (name, rest) = field.split_once("\" value=\"").unwrap();
            (name, rest.split('"').next().unwrap())
        });
        let all: Vec<_> = hidden.chain(fields.iter().copied()).collect();
        self.request("POST", sent_to, &all).await
    }

    /// Replays all that match. Returns the path of the job.
    async fn replay_all(&self, list: &str, fields: &[(&str, &str)]) -> String {
        let ask = "/dead-letters/replay";
        let list = self.get(list).await;
        let confirmation = self.submit_form(&list, ask, ask, &[("which", "all")]).await;
        let start = "/dead-letters/replay/start";
        let started = self.submit_form(&confirmation, start, start, fields).await;
        started.header("location").to_owned()
    }
}

impl Page {
    fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        values.next().unwrap_or_else(|| panic!("no {name}: {} {}", self.head, self.body)).1
    }
}

/// A queue of all events, deleted with the connection.
async fn events_of(env: &TestEnv, amqp: &AmqpClient) -> String {
    let queue = amqp.queue_for_replies().await;
    let exchange = env.name_of("EVENTS_EXCHANGE");
    let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
    let (name, exchange) = (queue.as_str().into(), exchange.as_str().into());
    amqp.channel().queue_bind(name, exchange, "#".into(), options, arguments).await.unwrap();
    queue
}

async fn send(amqp: &AmqpClient, message_id: &str, body: &str) {
    let properties = BasicProperties::default().with_message_id(message_id.into());
    amqp.send("order.place", body.as_bytes(), properties).await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_dead_letter_is_edited_and_replayed_in_the_console_and_its_event_is_published() {
    let env = TestEnv::collecting().await;
    let console = ConsoleSession::at(&env).await;
    let amqp = AmqpClient::on(&env).await;
    let events = events_of(&env, &amqp).await;
    send(&amqp, "cart-1", &place("7").replace("12.50", "12.505")).await;
    eventually("it is collected", || async { env.count("dead_letters").await == 1 }).await;
    let page = console.get("/dead-letters/1").await;
    assert!(page.body.contains("must have at most 2 decimals"), "{}", page.body);

    let edited =
        console.submit_form(&page, "/dead-letters/1/edit", "/dead-letters/1/edit", &[]).await;
    let fixed = place("7");
    let fields = [("body", fixed.as_str()), ("why", "three decimals")];
    let (check, save) = ("/dead-letters/1/check", "/dead-letters/1/save");
    let saved = console.submit_form(&edited, check, save, &fields).await;
    assert_eq!(saved.header("location"), "/dead-letters/1", "{}", saved.body);
    let job = console.replay_all("/dead-letters?view=list", &[]).await;

    let event = amqp.next_of(&events).await.json();
    assert_eq!((&event["order_id"], &event["caused_by"]), (&"7".into(), &"cart-1".into()));
    eventually("the job shows the outcome", || async {
        console.get(&job).await.body.contains("accepted")
    })
    .await;
    let record =
        "select who || ' ' || what from dead_letter_actions where what <> 'disclose' order by id";
    assert_eq!(env.ask(record).await, ["ada edit", "ada replay"]);
    console.worker.stop().await;
    env.remove().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ and PostgreSQL: make test"]
async fn a_worker_that_stops_during_a_replay_leaves_nothing_replaying() {
    let env = TestEnv::collecting().await;
    let console = ConsoleSession::at(&env).await;
    let amqp = AmqpClient::on(&env).await;
    for number in 0..100 {
        let body = format!(r#"{{"order_id": "{number}", "status": 2}}"#);
        let properties = BasicProperties::default().with_message_id(format!("m-{number}").into());
        amqp.send("order.set_status", body.as_bytes(), properties).await;
    }
    eventually("all are collected", || async { env.count("dead_letters").await == 100 }).await;
    for number in 0..100 {
        send(&amqp, &format!("p-{number}"), &place(&number.to_string())).await;
    }
    eventually("all are placed", || async { env.count("orders").await == 100 }).await;

    let slow = [("pace", "1"), ("rate", "1")];
    console.replay_all("/dead-letters?view=list", &slow).await;
    let replayed = "dead_letters where state = 3";
    eventually("some are replayed", || async { env.count(replayed).await >= 3 }).await;
    console.worker.stop().await;

    assert_eq!(env.count("dead_letters where state = 2").await, 0, "none is replaying");
    assert!(env.count(replayed).await < 100, "stopped too late");
    let console = ConsoleSession::at(&env).await;
    console.replay_all("/dead-letters?view=list", &[("pace", "all")]).await;
    eventually("the rest are replayed", || async { env.count(replayed).await == 100 }).await;
    let moved = "orders where status = 2 and version = 2";
    eventually("each has moved once", || async { env.count(moved).await == 100 }).await;
    console.worker.stop().await;
    env.remove().await;
}
