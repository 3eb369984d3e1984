//! What the environment says of the hub.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use trommel_engine::node::{hub_cache, hub_home, hub_is_offline};

const ENDPOINT: &str = "https://huggingface.co";

/// Where to ask, as whom, and where to put things.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Without a slash at its end.
    pub endpoint: String,
    pub token: Option<Token>,
    pub cache: PathBuf,
    /// Nothing is asked of the hub.
    pub offline: bool,
    /// Silence after which a connection counts as lost.
    pub silence: Duration,
    /// Before the first repetition of a request that failed for a passing reason; it doubles with each.
    pub pause: Duration,
}

/// A secret: goes into the header of a request, and nowhere else.
#[derive(Clone)]
pub struct Token(String);

impl Settings {
    /// `HF_ENDPOINT`, `HF_TOKEN` (else the file `HF_TOKEN_PATH` or `token` in `HF_HOME`), `HF_HUB_CACHE`, `HF_HUB_OFFLINE`.
    pub fn from_environment() -> Self {
        let endpoint = variable("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned());
        let token = variable("HF_TOKEN")
            .or_else(|| variable("HUGGING_FACE_HUB_TOKEN"))
            .or_else(token_of_file);
        Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            token: token.and_then(|text| Token::new(&text)),
            cache: hub_cache(),
            offline: hub_is_offline(),
            silence: Duration::from_secs(10),
            pause: Duration::from_secs(1),
        }
    }

    /// The endpoint for messages: without the user and password that it may hold.
    pub(crate) fn shown_endpoint(&self) -> String {
        let Some((scheme, rest)) = self.endpoint.split_once("://") else {
            return self.endpoint.clone();
        };
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        format!("{scheme}://{host}{path}")
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.trim().is_empty())
}

fn token_of_file() -> Option<String> {
    let path = variable("HF_TOKEN_PATH").map_or_else(|| hub_home().join("token"), PathBuf::from);
    std::fs::read_to_string(path).ok()
}

impl Token {
    /// None where the text is empty or cannot stand in a header.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.to_owned()))
    }

    pub(crate) fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_the_endpoint_is_not_shown() {
        let of = |endpoint: &str| {
            let endpoint = endpoint.to_owned();
            Settings {
                endpoint,
                ..Settings::from_environment()
            }
            .shown_endpoint()
        };
        assert_eq!(
            of("https://user:pass@mirror.example/hf"),
            "https://mirror.example/hf"
        );
        assert_eq!(of("http://127.0.0.1:8080"), "http://127.0.0.1:8080");
        assert_eq!(
            of("https://mirror.example/a@b"),
            "https://mirror.example/a@b"
        );
    }

    #[test]
    fn a_token_is_not_shown() {
        let token = Token::new(" hf_secret\n").unwrap();
        assert_eq!(token.header(), "Bearer hf_secret");
        assert!(!format!("{token:?}").contains("secret"));
        assert!(Token::new("a\nb").is_none() && Token::new("  ").is_none());
    }
}
