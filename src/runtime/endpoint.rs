//! One actor per endpoint: one session, requests strictly in order, safety writes first in line.
//!
//! Reads are asked again after a failure, because asking twice changes nothing. A write is never
//! sent again here: whoever gets an unknown outcome reads back first, and only then resends.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::session::{Fault, Function, MOST_READ, MOST_WRITE, Session, Table};

/// How often a request that may pass is asked again.
const AGAIN: u32 = 3;
/// First pause before asking again.
const PAUSE: Duration = Duration::from_millis(40);
/// Requests that may wait in line.
const LINE: usize = 64;

/// Who goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// commanded by a rule of the safety class
    Safety,
    /// everything else
    Ordinary,
}

#[derive(Debug)]
enum Ask {
    Read {
        unit: u8,
        table: Table,
        at: u16,
        count: u16,
        reply: oneshot::Sender<Result<Vec<u16>, Fault>>,
    },
    Write {
        unit: u8,
        at: u16,
        words: Vec<u16>,
        function: Function,
        reply: oneshot::Sender<Result<(), Fault>>,
    },
}

/// A handle on the actor of one endpoint; cheap to clone. The session ends with the last handle.
#[derive(Debug, Clone)]
pub struct Endpoint {
    urgent: mpsc::Sender<Ask>,
    line: mpsc::Sender<Ask>,
    place: String,
    loopback: bool,
}

impl Endpoint {
    /// Starts the actor for `host:port` on the present runtime. It connects at the first request.
    #[must_use]
    pub fn start(host: &str, port: u16, limit: Duration) -> Self {
        let (urgent, urgent_line) = mpsc::channel(LINE);
        let (line, ordinary_line) = mpsc::channel(LINE);
        let actor = Actor { host: host.to_owned(), port, limit, session: None };
        tokio::spawn(actor.run(urgent_line, ordinary_line));
        Self { urgent, line, place: format!("{host}:{port}"), loopback: is_loopback(host) }
    }

    /// `host:port`, for messages.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Whether the endpoint is on this computer.
    #[must_use]
    pub const fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// Reads consecutive registers, in several requests where one cannot hold them.
    ///
    /// # Errors
    /// See [`Fault`]; failures that may pass were asked again.
    pub async fn read(&self, unit: u8, table: Table, at: u16, count: u16) -> Result<Vec<u16>, Fault> {
        let mut words = Vec::with_capacity(usize::from(count));
        let mut done = 0;
        while done < count {
            let part = (count - done).min(MOST_READ);
            let start =
                at.checked_add(done).ok_or_else(|| Fault::WrongAnswer("past the last register".into()))?;
            let (reply, answer) = oneshot::channel();
            let ask = Ask::Read { unit, table, at: start, count: part, reply };
            words.extend(deliver(&self.line, ask, answer).await?);
            done += part;
        }
        Ok(words)
    }

    /// Writes consecutive registers in one request, once. Only [`super::frames`] calls it.
    pub(super) async fn write(
        &self,
        unit: u8,
        at: u16,
        words: Vec<u16>,
        function: Function,
        priority: Priority,
    ) -> Result<(), Fault> {
        if words.is_empty() || words.len() > usize::from(MOST_WRITE) {
            return Err(Fault::Unreachable(format!("{} registers do not fit one request", words.len())));
        }
        let (reply, answer) = oneshot::channel();
        let line = if priority == Priority::Safety { &self.urgent } else { &self.line };
        deliver(line, Ask::Write { unit, at, words, function, reply }, answer).await
    }
}

async fn deliver<T>(
    line: &mpsc::Sender<Ask>,
    ask: Ask,
    answer: oneshot::Receiver<Result<T, Fault>>,
) -> Result<T, Fault> {
    let gone = || Fault::NoAnswer("the session was shut".to_owned());
    line.send(ask).await.map_err(|_| gone())?;
    answer.await.map_err(|_| gone())?
}

/// Whether a host name stands for this computer.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

struct Actor {
    host: String,
    port: u16,
    limit: Duration,
    session: Option<Session>,
}

impl Actor {
    async fn run(mut self, mut urgent: mpsc::Receiver<Ask>, mut line: mpsc::Receiver<Ask>) {
        loop {
            let ask = tokio::select! {
                biased;
                Some(ask) = urgent.recv() => ask,
                Some(ask) = line.recv() => ask,
                else => break,
            };
            match ask {
                Ask::Read { unit, table, at, count, reply } => {
                    let mut result = self.read_once(unit, table, at, count).await;
                    for attempt in 1..AGAIN {
                        match &result {
                            // a gateway that cannot be reached at all is named at once
                            Err(fault) if fault.may_pass() && !matches!(fault, Fault::Unreachable(_)) => {}
                            _ => break,
                        }
                        sleep(pause(attempt, unit, at)).await;
                        result = self.read_once(unit, table, at, count).await;
                    }
                    // nobody waits any more: nothing to tell
                    let _ = reply.send(result);
                }
                Ask::Write { unit, at, words, function, reply } => {
                    let mut result = self.write_once(unit, at, &words, function).await;
                    for attempt in 1..AGAIN {
                        // exceptions 6 and 10 were certainly not carried out
                        if !matches!(result, Err(Fault::Exception(6 | 10))) {
                            break;
                        }
                        sleep(pause(attempt, unit, at)).await;
                        result = self.write_once(unit, at, &words, function).await;
                    }
                    let _ = reply.send(result);
                }
            }
        }
    }

    async fn session(&mut self) -> Result<Session, Fault> {
        match self.session.take() {
            Some(session) => Ok(session),
            None => Session::connect(&self.host, self.port, self.limit).await,
        }
    }

    fn keep(&mut self, session: Session, fault: Option<&Fault>) {
        if fault.is_none_or(Fault::keeps_session) {
            self.session = Some(session);
        }
    }

    async fn read_once(&mut self, unit: u8, table: Table, at: u16, count: u16) -> Result<Vec<u16>, Fault> {
        let mut session = self.session().await?;
        let result = session.read(unit, table, at, count).await;
        self.keep(session, result.as_ref().err());
        result
    }

    async fn write_once(
        &mut self,
        unit: u8,
        at: u16,
        words: &[u16],
        function: Function,
    ) -> Result<(), Fault> {
        let mut session = self.session().await?;
        let result = session.write(unit, at, words, function).await;
        self.keep(session, result.as_ref().err());
        result
    }
}

/// Doubles with each attempt; the jitter comes from the place of the request, so that a run can be
/// repeated exactly and units behind one gateway nevertheless do not ask in step.
pub(super) fn pause(attempt: u32, unit: u8, at: u16) -> Duration {
    let mixed = u32::from(unit).wrapping_mul(2_654_435_761) ^ u32::from(at).wrapping_mul(40_503) ^ attempt;
    let jitter = mixed.wrapping_mul(2_246_822_519) >> 24;
    PAUSE * 2_u32.saturating_pow(attempt.saturating_sub(1)) + Duration::from_millis(u64::from(jitter) / 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_this_computer_alone() {
        for host in ["127.0.0.1", "localhost", "::1", "[::1]", "127.9.9.9"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["192.0.2.1", "example.org", "127.0.0.1.example.org", ""] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn pauses_grow_and_repeat() {
        assert_eq!(pause(1, 4, 261), pause(1, 4, 261));
        assert!(pause(3, 4, 261) > pause(1, 4, 261) + PAUSE);
    }

    #[tokio::test]
    async fn a_dead_gateway_is_named_within_a_second() {
        // bound and not listening any more: the port refuses
        let port = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let endpoint = Endpoint::start("127.0.0.1", port, Duration::from_secs(1));
        let start = tokio::time::Instant::now();
        let fault = endpoint.read(1, Table::Holding, 0, 1).await.unwrap_err();
        assert!(matches!(fault, Fault::Unreachable(_)), "{fault}");
        assert!(start.elapsed() < Duration::from_secs(1));
    }
}
