//! One actor per endpoint: one session, requests strictly in order, safety writes first in line.
//!
//! Reads are asked again after a failure, because asking twice changes nothing. A write is never
//! sent again here: whoever gets an unknown outcome reads back first, and only then resends. How long
//! silence is borne is [`super::patience`]'s business.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};

use super::patience::{FIRST, Patience};
use super::session::{Fault, Function, MOST_READ, MOST_WRITE, Session, Table};
use super::stop::Stop;

/// How often a request that may pass is asked again.
const AGAIN: u32 = 3;
/// First pause before asking again.
const PAUSE: Duration = Duration::from_millis(40);
/// Pause between two looks at whether anybody has answered.
const GLANCE: Duration = Duration::from_millis(10);
/// Requests that may wait in line.
const LINE: usize = 64;
/// How often in a row a session may fail right after an answer before none is kept.
const WILTS: u32 = 2;

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
    /// try again whoever was given up
    Again,
}

/// A handle on the actor of one endpoint; cheap to clone. The session ends with the last handle.
#[derive(Debug, Clone)]
pub struct Endpoint {
    urgent: mpsc::Sender<Ask>,
    line: mpsc::Sender<Ask>,
    place: String,
    loopback: bool,
    /// how many devices stand behind it
    units: usize,
    known: Arc<Known>,
    /// learns of the first frame that can change a device
    stop: Stop,
}

/// What is known of an endpoint, whoever asked.
#[derive(Debug, Default)]
struct Known {
    /// when it last answered
    heard: Mutex<Option<Instant>>,
    /// a connection to it could be made
    reached: AtomicBool,
}

impl Known {
    fn heard(&self) -> MutexGuard<'_, Option<Instant>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Endpoint {
    /// Starts the actor for `host:port` on the present runtime. It connects at the first request.
    /// `limit` is the longest wait for one answer; `units` is how many devices stand behind it.
    #[must_use]
    pub fn start(host: &str, port: u16, limit: Duration, units: usize) -> Self {
        let (urgent, urgent_line) = mpsc::channel(LINE);
        let (line, ordinary_line) = mpsc::channel(LINE);
        let known = Arc::new(Known::default());
        let actor = Actor { known: known.clone(), ..Actor::new(host, port, limit, units) };
        tokio::spawn(actor.run(urgent_line, ordinary_line));
        let place = format!("{host}:{port}");
        Self { urgent, line, place, loopback: is_loopback(host), units, known, stop: Stop::default() }
    }

    /// The same endpoint, which tells `stop` before it first writes.
    #[must_use]
    pub(super) fn telling(self, stop: &Stop) -> Self {
        Self { stop: stop.clone(), ..self }
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

    /// Whether anybody behind the endpoint answers between these instants, where more stand there than the
    /// `asked` that did not.
    pub(super) async fn hears(&self, asked: usize, since: Instant, until: Instant) -> bool {
        let heard = || self.known.heard().is_some_and(|at| at >= since);
        // one that cannot be reached answers nobody
        while !heard()
            && asked < self.units
            && self.known.reached.load(Ordering::Relaxed)
            && Instant::now() < until
        {
            sleep(GLANCE).await;
        }
        heard()
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

    /// Gives whoever was given up another chance to answer.
    pub async fn again(&self) {
        // an actor that has ended has nobody to ask
        let _ = self.line.send(Ask::Again).await;
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
        self.stop.writes();
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
    let gone = || Fault::Closed;
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
    /// time for the first answer
    first: Duration,
    /// longest part of it that one of several units may take
    share: Duration,
    gateway: Patience,
    units: BTreeMap<u8, Patience>,
    /// how often, one after the other, a session answered and then failed at its next request
    wilted: u32,
    known: Arc<Known>,
}

impl Actor {
    fn new(host: &str, port: u16, limit: Duration, units: usize) -> Self {
        let several = units > 1;
        // an inventory that grants more time for one answer means it
        let (first, share) = match (limit > Duration::from_secs(1), several) {
            (true, true) => (limit.saturating_mul(2), limit),
            (true, false) => (limit, limit),
            (false, true) => (FIRST, FIRST / 2),
            (false, false) => (FIRST, FIRST),
        };
        let host = host.to_owned();
        let gateway = Patience::new(first);
        let (units, known) = (BTreeMap::new(), Arc::default());
        Self { host, port, limit, session: None, first, share, gateway, units, wilted: 0, known }
    }

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
                            Err(Fault::Unreachable(_)) => break,
                            // where others may answer they are asked first
                            Err(Fault::NoAnswer(_)) if !self.gateway.heard() && self.share < self.first => {
                                break;
                            }
                            Err(fault) if fault.may_pass() => {}
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
                Ask::Again => {
                    self.gateway = Patience::new(self.first);
                    self.units.clear();
                }
            }
        }
    }

    /// The session, and how long an answer may take now.
    async fn begin(&mut self, unit: u8) -> Result<(Session, Duration), Fault> {
        let begun = Instant::now();
        let mut wait = self.limit;
        if let Some(left) = self.gateway.now(begun)? {
            wait = wait.min(left).min(self.share);
        }
        let first = self.first;
        if let Some(left) = self.units.entry(unit).or_insert_with(|| Patience::new(first)).now(begun)? {
            wait = wait.min(left);
        }
        if let Some(session) = self.session.take() {
            return Ok((session, wait));
        }
        match Session::connect(&self.host, self.port, wait).await {
            Ok(session) if self.gateway.heard() => Ok((session, wait)),
            Ok(session) => Ok((session, wait.saturating_sub(begun.elapsed()))),
            Err(fault) => {
                self.took(unit, begun, Some(&fault));
                Err(fault)
            }
        }
    }

    fn took(&mut self, unit: u8, begun: Instant, fault: Option<&Fault>) {
        self.gateway.took(begun, fault);
        if matches!(fault, None | Some(Fault::Exception(_))) {
            *self.known.heard() = Some(Instant::now());
        }
        if !matches!(fault, Some(Fault::Unreachable(_))) {
            self.known.reached.store(true, Ordering::Relaxed);
        }
        if let Some(unit) = self.units.get_mut(&unit) {
            unit.took(begun, fault);
        }
    }

    /// Keeps the session or drops it. Some gateways end it after every answer, or add bytes that spoil
    /// the next one: they get a session for each request.
    fn end(&mut self, unit: u8, begun: Instant, session: Session, used: bool, fault: Option<&Fault>) {
        self.took(unit, begun, fault);
        match fault {
            Some(Fault::Closed | Fault::WrongAnswer(_)) if used => {
                self.wilted = self.wilted.saturating_add(1);
            }
            None if used => self.wilted = 0,
            _ => {}
        }
        if fault.is_none_or(Fault::keeps_session) && self.wilted < WILTS {
            self.session = Some(session);
        }
    }

    async fn read_once(&mut self, unit: u8, table: Table, at: u16, count: u16) -> Result<Vec<u16>, Fault> {
        let begun = Instant::now();
        let (mut session, wait) = self.begin(unit).await?;
        let used = session.answers() > 0;
        let result = session.read(unit, table, at, count, wait).await;
        self.end(unit, begun, session, used, result.as_ref().err());
        result
    }

    async fn write_once(
        &mut self,
        unit: u8,
        at: u16,
        words: &[u16],
        function: Function,
    ) -> Result<(), Fault> {
        let begun = Instant::now();
        let (mut session, wait) = self.begin(unit).await?;
        let used = session.answers() > 0;
        let result = session.write(unit, at, words, function, wait).await;
        self.end(unit, begun, session, used, result.as_ref().err());
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
        let endpoint = Endpoint::start("127.0.0.1", port, Duration::from_secs(1), 1);
        let start = tokio::time::Instant::now();
        let fault = endpoint.read(1, Table::Holding, 0, 1).await.unwrap_err();
        assert!(matches!(fault, Fault::Unreachable(_)), "{fault}");
        assert!(start.elapsed() < Duration::from_secs(1));
    }
}
