//! One Modbus TCP session: frames out, answers in, everything compared.
//!
//! The transport library accepts a wrong echo and a short read, has no timeout, and answers every
//! later call wrongly after one that timed out. So every call here has a limit, every answer is
//! compared with its request, and after any error the session is dropped and never used again.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_modbus::client::{Client, Context, tcp};
use tokio_modbus::slave::{Slave, SlaveContext};
use tokio_modbus::{Request, Response};

use crate::system::plain;

/// Most registers one request may read.
pub const MOST_READ: u16 = 125;
/// Most registers one request may write.
pub const MOST_WRITE: u16 = 123;
/// Longest wait for a connection: a dead gateway is to be named within a second.
pub const CONNECT: Duration = Duration::from_millis(650);

/// Which registers are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// input registers, function 4
    Input,
    /// holding registers, function 3
    Holding,
}

/// How registers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// function 6, one register
    Single,
    /// function 16, one or more registers
    Multiple,
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// no connection: the request was never sent
    Unreachable(String),
    /// no answer in time: nobody knows whether the request was carried out
    NoAnswer(String),
    /// the connection ended before the answer: nobody knows whether the request was carried out
    Closed,
    /// an answer that does not belong to the request: nobody knows what was carried out
    WrongAnswer(String),
    /// the device refused with a Modbus exception
    Exception(u8),
    /// not sent, because nothing has answered for so long; why the last request failed
    GivenUp(Box<Self>),
}

impl Fault {
    /// Whether a write that failed so may nevertheless have been carried out.
    ///
    /// Exception 5 (accepted, still working) and 11 (the gateway heard nothing from its device) say
    /// nothing about the write either.
    #[must_use]
    pub const fn leaves_unknown(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::GivenUp(_) => false,
            Self::NoAnswer(_) | Self::Closed | Self::WrongAnswer(_) => true,
            Self::Exception(code) => matches!(code, 5 | 11),
        }
    }

    /// Whether asking again later can help.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::NoAnswer(_) | Self::Closed | Self::WrongAnswer(_) => true,
            Self::Exception(code) => matches!(code, 5 | 6 | 10 | 11),
            Self::GivenUp(_) => false,
        }
    }

    /// Whether the request was certainly not sent, because nobody could be reached.
    #[must_use]
    pub const fn was_not_sent(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::GivenUp(_))
    }

    /// Whether the session can still be used.
    #[must_use]
    pub const fn keeps_session(&self) -> bool {
        matches!(self, Self::Exception(_))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => write!(f, "not reached: {why}"),
            Self::NoAnswer(why) => write!(f, "no answer: {why}"),
            Self::Closed => f.write_str("no answer: the connection ended"),
            Self::GivenUp(last) => last.fmt(f),
            Self::WrongAnswer(why) => write!(f, "an answer that does not belong to the request: {why}"),
            Self::Exception(code) => write!(f, "refused with Modbus exception {code} ({})", exception(*code)),
        }
    }
}

const fn exception(code: u8) -> &'static str {
    match code {
        1 => "no such function",
        2 => "no such register",
        3 => "value not accepted",
        4 => "device failure",
        5 => "accepted, still working",
        6 => "busy",
        8 => "memory fault",
        10 => "no path to the device",
        11 => "the device behind the gateway does not answer",
        _ => "no standard meaning",
    }
}

/// One connection to one endpoint.
pub struct Session {
    context: Context,
    answers: u32,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("answers", &self.answers).finish_non_exhaustive()
    }
}

impl Session {
    /// Connects to `host:port` within `limit`, but never waits longer than [`CONNECT`].
    ///
    /// # Errors
    /// [`Fault::Unreachable`].
    pub async fn connect(host: &str, port: u16, limit: Duration) -> Result<Self, Fault> {
        let limit = limit.min(CONNECT);
        let stream = match timeout(limit, TcpStream::connect((host, port))).await {
            Err(_) => {
                return Err(Fault::Unreachable(format!("no connection within {} ms", limit.as_millis())));
            }
            Ok(Err(error)) => return Err(Fault::Unreachable(plain(&error))),
            Ok(Ok(stream)) => stream,
        };
        stream.set_nodelay(true).map_err(|error| Fault::Unreachable(plain(&error)))?;
        Ok(Self { context: tcp::attach_slave(stream, Slave(1)), answers: 0 })
    }

    /// How many requests it has answered.
    #[must_use]
    pub const fn answers(&self) -> u32 {
        self.answers
    }

    async fn call(&mut self, unit: u8, request: Request<'_>, limit: Duration) -> Result<Response, Fault> {
        self.context.set_slave(Slave(unit));
        let answer = match timeout(limit, self.context.call(request)).await {
            Err(_) => return Err(Fault::NoAnswer(format!("nothing within {} ms", limit.as_millis()))),
            // the error number is stale when the peer closes, so it is not repeated
            Ok(Err(tokio_modbus::Error::Transport(_))) => return Err(Fault::Closed),
            Ok(Err(tokio_modbus::Error::Protocol(_))) => {
                return Err(Fault::WrongAnswer("its header or function differs".to_owned()));
            }
            Ok(Ok(answer)) => answer,
        };
        self.answers = self.answers.saturating_add(1);
        answer.map_err(|code| Fault::Exception(u8::from(code)))
    }

    /// Reads up to [`MOST_READ`] registers; the answer must come within `limit`.
    ///
    /// # Errors
    /// See [`Fault`]; a shorter or longer answer than asked for is a wrong answer.
    pub async fn read(
        &mut self,
        unit: u8,
        table: Table,
        at: u16,
        count: u16,
        limit: Duration,
    ) -> Result<Vec<u16>, Fault> {
        let request = match table {
            Table::Input => Request::ReadInputRegisters(at, count),
            Table::Holding => Request::ReadHoldingRegisters(at, count),
        };
        let words = match (table, self.call(unit, request, limit).await?) {
            (Table::Input, Response::ReadInputRegisters(words))
            | (Table::Holding, Response::ReadHoldingRegisters(words)) => words,
            _ => return Err(Fault::WrongAnswer("it belongs to another function".to_owned())),
        };
        if words.len() == usize::from(count) {
            Ok(words)
        } else {
            Err(Fault::WrongAnswer(format!("{} registers instead of {count}", words.len())))
        }
    }

    /// Writes consecutive holding registers in one request; the answer must come within `limit`.
    ///
    /// # Errors
    /// See [`Fault`]; an echo that differs from the request is a wrong answer.
    pub async fn write(
        &mut self,
        unit: u8,
        at: u16,
        words: &[u16],
        function: Function,
        limit: Duration,
    ) -> Result<(), Fault> {
        let wrong = || Err(Fault::WrongAnswer("the echo differs from what was written".to_owned()));
        match (function, words) {
            (Function::Single, [word]) => {
                match self.call(unit, Request::WriteSingleRegister(at, *word), limit).await? {
                    Response::WriteSingleRegister(echo_at, echo) if echo_at == at && echo == *word => Ok(()),
                    _ => wrong(),
                }
            }
            _ => {
                let request = Request::WriteMultipleRegisters(at, Cow::Borrowed(words));
                match self.call(unit, request, limit).await? {
                    Response::WriteMultipleRegisters(echo_at, count)
                        if echo_at == at && usize::from(count) == words.len() =>
                    {
                        Ok(())
                    }
                    _ => wrong(),
                }
            }
        }
    }
}
