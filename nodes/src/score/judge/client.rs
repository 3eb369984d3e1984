//! One request to a chat endpoint over HTTP, and what came of it. Knows nothing of rows, limits or trying again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, SystemTime};

use trommel_engine::node::prelude::*;
use ureq::Timeout;

use super::headers::rates;
use super::limiter::Rates;
use super::reply::{Reply, read};

/// Bytes of a reply; chat completions have some hundred.
const MOST_BYTES: u64 = 16 << 20;

/// Secrets shorter than this may stand in a text by chance, and are left in answers (though not in messages).
const TELLING: usize = 16;

/// Put in place of a secret.
const HIDDEN: &str = "***";

pub(super) struct Client {
    agent: ureq::Agent,
    url: String,
    headers: Vec<(String, String)>,
    secrets: Vec<String>,
    timeout: Duration,
}

/// How long things may take.
pub(super) struct Patience {
    pub connect: Duration,
    pub whole: Duration,
}

impl Client {
    /// For up to `connections` requests at once.
    pub(super) fn new(
        url: String,
        api_key: Option<&Secret>,
        headers: impl Iterator<Item = (String, Secret)>,
        patience: &Patience,
        connections: u32,
    ) -> Self {
        let connections = connections as usize;
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(patience.connect))
            .timeout_global(Some(patience.whole))
            .max_idle_connections(connections)
            .max_idle_connections_per_host(connections)
            .user_agent(concat!("trommel/", env!("CARGO_PKG_VERSION")))
            .build();
        let mut client = Self {
            agent: config.new_agent(),
            url,
            headers: Vec::new(),
            secrets: Vec::new(),
            timeout: patience.whole,
        };
        if let Some(key) = api_key {
            client.secrets.push(key.reveal().to_owned());
            let bearer = format!("Bearer {}", key.reveal());
            client.headers.push(("Authorization".to_owned(), bearer));
        }
        for (name, value) in headers {
            if is_from_environment(&value) {
                client.secrets.push(value.reveal().to_owned());
            }
            client.headers.push((name, value.reveal().to_owned()));
        }
        client
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Sends a request and waits for the reply.
    pub(super) fn ask(&self, body: &str) -> (Reply, Rates) {
        let asked = catch_unwind(AssertUnwindSafe(|| self.send(body)));
        let (reply, rates) = asked.unwrap_or_else(|_| {
            let reason = "a fault of this program while it read the reply".to_owned();
            (Reply::row(reason, true), Rates::default())
        });
        (self.without_secrets(reply), rates)
    }

    fn send(&self, body: &str) -> (Reply, Rates) {
        let mut request = self.agent.post(&self.url).content_type("application/json");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let mut response = match request.send(body) {
            Ok(response) => response,
            Err(error) => return (self.failed(&error), Rates::default()),
        };
        let status = response.status().as_u16();
        let head = response.headers().clone();
        let header = |name: &str| Some(head.get(name)?.to_str().ok()?.to_owned());
        let rates = rates(&header);
        let bytes = response.body_mut().with_config().limit(MOST_BYTES);
        let reply = match bytes.read_to_vec() {
            Ok(bytes) => read(status, &header, &bytes, SystemTime::now()),
            Err(error) => self.failed(&error),
        };
        (reply, rates)
    }

    /// A request without a whole reply.
    fn failed(&self, error: &ureq::Error) -> Reply {
        use ureq::Error as E;
        match error {
            E::Timeout(Timeout::Connect | Timeout::Resolve) => {
                Reply::passing("no connection in time (`connect_timeout`)".to_owned())
            }
            E::Timeout(_) => {
                let seconds = self.timeout.as_secs_f64();
                Reply::passing(format!("no answer in {seconds} s (`timeout`)"))
            }
            E::Io(_) | E::Protocol(_) | E::HostNotFound | E::ConnectionFailed | E::BodyStalled => {
                Reply::passing(error.to_string())
            }
            E::BodyExceedsLimit(_) => Reply::row("an answer of more than 16 MiB".to_owned(), true),
            _ => Reply::node(
                error.to_string(),
                "look at `endpoint`, `headers`, `api_key` and the proxy of the environment",
            ),
        }
    }

    fn without_secrets(&self, reply: Reply) -> Reply {
        match reply {
            Reply::Answer(line, answer) => {
                let line = self.hide(line, TELLING);
                Reply::Answer(line, answer)
            }
            Reply::Failure(mut failure) => {
                failure.reason = self.hide(failure.reason, 4);
                Reply::Failure(failure)
            }
        }
    }

    fn hide(&self, text: String, least: usize) -> String {
        let secrets = self.secrets.iter().filter(|secret| secret.len() >= least);
        secrets.fold(text, |text, secret| {
            if text.contains(secret.as_str()) {
                text.replace(secret.as_str(), HIDDEN)
            } else {
                text
            }
        })
    }
}

/// Whether a value was written as `${env:NAME}`, and so is not to be seen.
pub(super) fn is_from_environment(secret: &Secret) -> bool {
    // What is shown of a secret is what was written.
    format!("{secret:?}") != secret.reveal()
}
