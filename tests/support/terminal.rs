//! A terminal through argocd-server, as the browser's terminal view speaks to it.

use std::{fmt, time::Duration};

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Error, Message, client::IntoClientRequest, error::ProtocolError},
};

use super::process::random;

/// How long a command in a terminal may take.
const LIMIT: Duration = Duration::from_secs(20);

/// An accepted terminal; whether there is a shell behind it only the first command shows.
pub struct Terminal {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    output: String,
}

/// argocd-server's refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The HTTP status: 401 without permission, 404 where terminals are off; 0 where there was no answer at all.
    pub status: u16,
    /// What it said.
    pub body: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "HTTP {}: {}", self.status, self.body)
    }
}

impl fmt::Debug for Terminal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a terminal that has printed {:?}", self.output)
    }
}

impl Terminal {
    /// Opens the WebSocket with a person's session cookie.
    pub async fn open(url: &str, token: &str) -> Result<Self, Refused> {
        let mut request = url.into_client_request().expect("the address of a terminal");
        let cookie = format!("argocd.token={token}").parse().expect("a cookie");
        request.headers_mut().insert("Cookie", cookie);
        match tokio::time::timeout(LIMIT, tokio_tungstenite::connect_async(request)).await {
            Ok(Ok((socket, _response))) => Ok(Self { socket, output: String::new() }),
            Ok(Err(Error::Http(response))) => Err(Refused {
                status: response.status().as_u16(),
                body: String::from_utf8_lossy(response.body().as_deref().unwrap_or_default()).trim().to_owned(),
            }),
            // Go's server closes the connection of a request whose handler panics.
            Ok(Err(Error::Protocol(ProtocolError::HandshakeIncomplete))) => {
                Err(Refused { status: 0, body: "the connection was closed without an answer".to_owned() })
            }
            Ok(Err(Error::Io(error))) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                Err(Refused { status: 0, body: "the connection was reset without an answer".to_owned() })
            }
            Ok(Err(error)) => panic!("open a terminal: {error}"),
            Err(elapsed) => panic!("argocd-server did not answer within {LIMIT:?}: {elapsed}"),
        }
    }

    /// Runs a command in the shell and gives what it printed; `Err` where the terminal ends or stays silent instead.
    pub async fn run(&mut self, command: &str) -> Result<String, String> {
        // What the terminal shows of the input has `%s`, never the number: only the shell's own output ends the wait.
        let number = random();
        let (begin, end) = (format!("begin-{number}"), format!("end-{number}"));
        self.send(&format!("printf 'begin-%s\\n' {number}; {command}; printf 'end-%s\\n' {number}\n")).await?;
        let from = self.output.len();
        let found = tokio::time::timeout(LIMIT, async {
            loop {
                let new = &self.output[from..];
                if let Some((_before, rest)) = new.split_once(&begin)
                    && let Some((output, _after)) = rest.split_once(&end)
                {
                    return Ok(output.replace('\r', "").trim().to_owned());
                }
                self.read().await?;
            }
        });
        found.await.unwrap_or_else(|_elapsed| Err(format!("no end of `{command}` within {LIMIT:?}, only {:?}", self.output)))
    }

    /// Types text, without waiting for anything.
    pub async fn send(&mut self, text: &str) -> Result<(), String> {
        let message = json!({ "operation": "stdin", "data": text }).to_string();
        self.socket.send(Message::text(message)).await.map_err(|error| format!("the terminal has ended: {error}"))
    }

    /// Waits, without typing, until the terminal shows this text; `Err` where it ends or does not within `limit`.
    pub async fn shows(&mut self, text: &str, limit: Duration) -> Result<(), String> {
        let shown = async {
            while !self.output.contains(text) {
                self.read().await?;
            }
            Ok(())
        };
        let shown = tokio::time::timeout(limit, shown).await;
        shown.unwrap_or_else(|_elapsed| Err(format!("no {text:?} within {limit:?}, only {:?}", self.output)))
    }

    /// Waits until argocd-server has ended the terminal; `Err` where it is still open after `limit`.
    pub async fn closed(&mut self, limit: Duration) -> Result<(), String> {
        let ended = async { while self.read().await.is_ok() {} };
        tokio::time::timeout(limit, ended).await.map_err(|_elapsed| format!("still open after {limit:?}"))
    }

    /// Everything that was shown so far.
    pub fn output(&self) -> &str {
        &self.output
    }

    async fn read(&mut self) -> Result<(), String> {
        match self.socket.next().await {
            Some(Ok(Message::Close(frame))) => Err(format!("the terminal was closed: {frame:?} after {:?}", self.output)),
            Some(Ok(Message::Text(text))) => {
                let message: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
                self.output.push_str(message["data"].as_str().unwrap_or_default());
                Ok(())
            }
            Some(Ok(_ping)) => Ok(()),
            Some(Err(error)) => Err(format!("the terminal broke: {error}, after {:?}", self.output)),
            None => Err(format!("the terminal has ended, after {:?}", self.output)),
        }
    }
}
