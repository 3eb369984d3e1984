//! The hub's HTTP interface, as much of it as fetching a model takes: <https://huggingface.co/docs/hub/api>.

use std::io::{ErrorKind, Read};
use std::time::Duration;

use serde::Deserialize;
use trommel_engine::node::HubId;
use ureq::http::{HeaderMap, Response, StatusCode, Uri, header};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, Proxy};

use crate::error::HubError;
use crate::settings::Settings;

/// Hops from one address of the same hub to another, for renamed models.
const MOST_HOPS: usize = 5;

/// Bytes of a list of files; the longest are some MB.
const LONGEST_LIST: u64 = 64 << 20;

pub(crate) struct Client {
    agent: Agent,
    settings: Settings,
}

/// A revision: the commit that it is, and the paths of its files.
pub(crate) struct Listing {
    pub commit: String,
    pub names: Vec<String>,
}

/// What the hub says of a file without giving it.
pub(crate) struct About {
    /// The name of its blob: the SHA-256 of large files, git's digest of small ones.
    pub etag: String,
    pub size: Option<u64>,
}

impl Client {
    pub(crate) fn new(settings: Settings) -> Self {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .redirect_auth_headers(ureq::config::RedirectAuthHeaders::SameHost)
            .user_agent(concat!("trommel/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(settings.silence))
            .timeout_connect(Some(settings.silence))
            .timeout_per_read(Some(settings.silence))
            .timeout_recv_response(Some(settings.silence * 2));
        if is_on_this_machine(&settings.endpoint) {
            config = config.proxy(None);
        }
        if let Some(roots) = root_certificates() {
            config = config.tls_config(TlsConfig::builder().root_certs(roots).build());
        }
        let agent = config.build().into();
        Self { agent, settings }
    }

    /// The files of a revision.
    pub(crate) fn list(&self, id: &HubId) -> Result<Listing, HubError> {
        #[derive(Deserialize)]
        struct Model {
            sha: String,
            siblings: Vec<Sibling>,
        }
        #[derive(Deserialize)]
        struct Sibling {
            rfilename: String,
        }
        let url = format!(
            "{}/api/models/{}/revision/{}",
            self.settings.endpoint,
            id.repository(),
            quoted(id.revision())
        );
        let mut response = self.get(&url, None)?;
        expect(&response, None)?;
        let body = response.body_mut().with_config().limit(LONGEST_LIST);
        let text = body.read_to_vec().map_err(unreachable)?;
        let model: Model = serde_json::from_slice(&text).map_err(|error| HubError::Answer {
            reason: format!("its list of files is none: {error}"),
        })?;
        let is_commit = model.sha.len() == 40 && model.sha.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_commit {
            return Err(HubError::Answer {
                reason: "it names no commit".to_owned(),
            });
        }
        Ok(Listing {
            commit: model.sha,
            names: model.siblings.into_iter().map(|s| s.rfilename).collect(),
        })
    }

    /// Size and digest of a file.
    pub(crate) fn about(&self, id: &HubId, commit: &str, name: &str) -> Result<About, HubError> {
        let mut url = self.address(id, commit, name);
        for _ in 0..MOST_HOPS {
            let response = self.head(&url)?;
            let headers = response.headers();
            let redirect = text(headers, header::LOCATION.as_str())
                .filter(|_| response.status().is_redirection());
            if let Some(path) = redirect.filter(|to| to.starts_with('/') && !to.starts_with("//")) {
                url = format!("{}{path}", origin(&url));
                continue;
            }
            if redirect.is_none() {
                expect(&response, Some(name))?;
            }
            let etag = text(headers, "x-linked-etag").or_else(|| text(headers, "etag"));
            let etag = etag.and_then(blob_name).ok_or_else(|| HubError::Answer {
                reason: format!("it gives no etag for {name}"),
            })?;
            // The length of a redirection says nothing of the file.
            let length = text(headers, "content-length").filter(|_| redirect.is_none());
            let size = text(headers, "x-linked-size").or(length);
            return Ok(About {
                etag,
                size: size.and_then(|size| size.parse().ok()),
            });
        }
        Err(HubError::Answer {
            reason: format!("it sends us from one address to the next for {name}"),
        })
    }

    /// The contents of a file from byte `from` on, and where they really start.
    pub(crate) fn open(
        &self,
        id: &HubId,
        commit: &str,
        name: &str,
        from: u64,
    ) -> Result<(u64, impl Read + use<>), HubError> {
        let url = self.address(id, commit, name);
        let mut response = self.get(&url, (from > 0).then_some(from))?;
        if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            response = self.get(&url, None)?;
        }
        expect(&response, Some(name))?;
        // `bytes 100-199/200`
        let range = text(response.headers(), "content-range")
            .filter(|_| response.status() == StatusCode::PARTIAL_CONTENT);
        let start = range.and_then(|r| r.strip_prefix("bytes ")?.split('-').next()?.parse().ok());
        Ok((start.unwrap_or(0), response.into_body().into_reader()))
    }

    fn address(&self, id: &HubId, commit: &str, name: &str) -> String {
        let path: Vec<String> = name.split('/').map(quoted).collect();
        format!(
            "{}/{}/resolve/{commit}/{}",
            self.settings.endpoint,
            id.repository(),
            path.join("/")
        )
    }

    fn get(&self, url: &str, from: Option<u64>) -> Result<Response<Body>, HubError> {
        let mut request = self.agent.get(url).header("accept-encoding", "identity");
        if let Some(token) = &self.settings.token {
            request = request.header(header::AUTHORIZATION, token.header());
        }
        if let Some(from) = from {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        request.call().map_err(unreachable)
    }

    /// Does not follow redirections: the hub says of a file what it is before it sends us elsewhere for it.
    fn head(&self, url: &str) -> Result<Response<Body>, HubError> {
        let mut request = self.agent.head(url).header("accept-encoding", "identity");
        if let Some(token) = &self.settings.token {
            request = request.header(header::AUTHORIZATION, token.header());
        }
        let request = request.config().max_redirects(0).build();
        request.call().map_err(unreachable)
    }
}

/// The variable that names the proxy of requests to `endpoint`. Its value may hold a password and is not looked at here.
pub(crate) fn proxy_in_use(endpoint: &str) -> Option<&'static str> {
    let proxy = Proxy::try_from_env()?;
    let spared = |uri: Uri| proxy.is_no_proxy(&uri);
    if is_on_this_machine(endpoint) || endpoint.parse().is_ok_and(spared) {
        return None;
    }
    let names = [
        "ALL_PROXY",
        "all_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "HTTP_PROXY",
        "http_proxy",
    ];
    let set = |name: &&str| std::env::var(name).is_ok_and(|value| !value.is_empty());
    names.into_iter().find(set)
}

fn is_on_this_machine(endpoint: &str) -> bool {
    let uri = endpoint.parse::<Uri>();
    uri.is_ok_and(|uri| matches!(uri.host(), Some("127.0.0.1" | "localhost" | "[::1]")))
}

/// A company's own certificates, where the variables that other programs heed name a file of them.
fn root_certificates() -> Option<RootCerts> {
    let names = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"];
    let path = names.into_iter().find_map(std::env::var_os)?;
    let text = std::fs::read(path).ok()?;
    let certificates: Vec<_> = parse_pem(&text)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    (!certificates.is_empty()).then(|| certificates.into())
}

fn expect(response: &Response<Body>, file: Option<&str>) -> Result<(), HubError> {
    if response.status().is_success() {
        return Ok(());
    }
    let headers = response.headers();
    let seconds = text(headers, "retry-after").and_then(|after| after.parse().ok());
    Err(HubError::Status {
        status: response.status().as_u16(),
        code: text(headers, "x-error-code").unwrap_or_default().to_owned(),
        after: seconds.map(Duration::from_secs),
        file: file.map(ToOwned::to_owned),
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// `"abc"` or `W/"abc"` as the name of a file.
fn blob_name(etag: &str) -> Option<String> {
    let name = etag.trim_start_matches("W/").trim_matches('"');
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    (!name.is_empty() && name.chars().all(fits)).then(|| name.to_owned())
}

/// Scheme and host.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    &url[..url[host..].find('/').map_or(url.len(), |at| host + at)]
}

/// As one part of a path.
fn quoted(text: &str) -> String {
    let quote = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(quote).collect()
}

/// Why there is no answer. What the client says may hold addresses with passwords or signatures, so it is not passed on.
pub(crate) fn unreachable(error: ureq::Error) -> HubError {
    let passing = |reason: &str| HubError::Unreachable {
        reason: reason.to_owned(),
        passing: true,
    };
    let lasting = |reason: &str| HubError::Unreachable {
        reason: reason.to_owned(),
        passing: false,
    };
    match error {
        ureq::Error::HostNotFound => lasting("its name is not known here (DNS)"),
        ureq::Error::Io(error) => of_io(&error),
        ureq::Error::Timeout(_) => passing("it does not answer"),
        ureq::Error::ConnectionFailed => passing("no connection can be made"),
        ureq::Error::ConnectProxyFailed(_) => lasting("the proxy does not let us through"),
        ureq::Error::InvalidProxyUrl => lasting("the proxy's address is none"),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::Pem(_) => lasting(
            "its certificate is not trusted (SSL_CERT_FILE names a file of certificates to trust)",
        ),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            lasting("its address is none; HF_ENDPOINT begins with https://")
        }
        ureq::Error::TooManyRedirects | ureq::Error::RedirectFailed => HubError::Answer {
            reason: "it sends us from one address to the next".to_owned(),
        },
        ureq::Error::BodyExceedsLimit(_) => HubError::Answer {
            reason: "its list of files does not end".to_owned(),
        },
        _ => passing("its answer breaks off"),
    }
}

pub(crate) fn of_io(error: &std::io::Error) -> HubError {
    let (reason, passing) = match error.kind() {
        ErrorKind::ConnectionRefused => ("the connection is refused", false),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => {
            ("there is no way to it from this machine", false)
        }
        ErrorKind::TimedOut | ErrorKind::WouldBlock => ("it does not answer", true),
        ErrorKind::NotFound | ErrorKind::AddrNotAvailable => {
            ("its name is not known here (DNS)", false)
        }
        ErrorKind::InvalidData => (
            "its certificate is not trusted (SSL_CERT_FILE names a file of certificates to trust)",
            false,
        ),
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::UnexpectedEof
        | ErrorKind::BrokenPipe => ("the connection breaks off", true),
        _ => {
            // What the resolver says of a name that it cannot look up has no kind of its own.
            if error.to_string().contains("lookup address") {
                ("its name is not known here (DNS)", false)
            } else {
                ("the connection fails", true)
            }
        }
    };
    HubError::Unreachable {
        reason: reason.to_owned(),
        passing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_become_names_of_files() {
        assert_eq!(blob_name("\"abc-1\"").as_deref(), Some("abc-1"));
        assert_eq!(blob_name("W/\"0f\"").as_deref(), Some("0f"));
        for bad in ["", "\"\"", "\"../x\"", "\"a/b\""] {
            assert_eq!(blob_name(bad), None, "{bad}");
        }
    }

    #[test]
    fn parts_of_addresses() {
        assert_eq!(origin("https://hub.example/a/b"), "https://hub.example");
        assert_eq!(origin("http://127.0.0.1:80"), "http://127.0.0.1:80");
        assert_eq!(quoted("refs/pr/1"), "refs%2Fpr%2F1");
        assert_eq!(quoted("a b.ü"), "a%20b.%C3%BC");
        assert!(is_on_this_machine("http://127.0.0.1:8080/x"));
        assert!(!is_on_this_machine("https://127.0.0.1.example"));
    }
}
