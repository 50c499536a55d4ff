//! Gateways that speak Modbus otherwise than the two that evl is tested on: a proxy that stands
//! before the simulator and does to its answers what other makers do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// What is strange about a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// like any other
    Plain,
    /// takes every connection and request and says nothing
    Mute,
    /// refuses every session at once by closing it
    Closes,
    /// ends the session after every answer
    OneEach,
    /// ends the session a moment after every answer
    OneEachLater,
    /// an answer in two pieces
    Pieces,
    /// an answer byte by byte
    Bytes,
    /// more bytes behind every answer
    Tail,
    /// every answer twice
    Twice,
    /// a length that goes on and on
    Huge,
    /// a length of nothing
    Short,
    /// another unit in the answer's header
    Unit(u8),
    /// a protocol number that is not 0
    Protocol,
    /// answers after so many milliseconds
    Slow(u64),
    /// takes one session, resets others
    Single,
    /// never answers for this unit, nor says so
    Deaf(u8),
    /// answers text
    Http,
    /// bytes without end, of which none is asked for
    Flood,
}

/// A gateway that stands before another.
#[derive(Debug, Clone)]
pub(super) struct Strange {
    pub(super) port: u16,
    /// it says nothing any more, whatever its way
    pub(super) dead: Arc<AtomicBool>,
    /// sessions so far
    pub(super) sessions: Arc<AtomicUsize>,
    /// sessions now
    open: Arc<AtomicUsize>,
}

async fn message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = [0_u8; 6];
    stream.read_exact(&mut head).await.ok()?;
    let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await.ok()?;
    Some([head.as_slice(), &rest].concat())
}

impl Strange {
    pub(super) async fn start(before: u16, way: Way) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let made = Self {
            port: listener.local_addr().unwrap().port(),
            dead: Arc::default(),
            sessions: Arc::default(),
            open: Arc::default(),
        };
        let shared = made.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.sessions.fetch_add(1, Ordering::Relaxed);
                let shared = shared.clone();
                tokio::spawn(async move {
                    let others = shared.open.fetch_add(1, Ordering::Relaxed);
                    if way != Way::Single || others == 0 {
                        shared.serve(stream, before, way).await;
                    }
                    shared.open.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        made
    }

    async fn serve(&self, mut from: TcpStream, before: u16, way: Way) -> Option<()> {
        if way == Way::Closes {
            return None;
        }
        from.set_nodelay(true).ok()?;
        if way == Way::Flood {
            loop {
                from.write_all(&[0x5A; 4096]).await.ok()?;
            }
        }
        let mut to = TcpStream::connect(("127.0.0.1", before)).await.ok()?;
        to.set_nodelay(true).ok()?;
        loop {
            let asked = message(&mut from).await?;
            if way == Way::Mute || way == Way::Deaf(asked[6]) || self.dead.load(Ordering::Relaxed) {
                continue;
            }
            if way == Way::Http {
                from.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await.ok()?;
                continue;
            }
            to.write_all(&asked).await.ok()?;
            let mut answer = message(&mut to).await?;
            if self.dead.load(Ordering::Relaxed) {
                continue;
            }
            match way {
                Way::Huge => answer[4..6].copy_from_slice(&[0xFF, 0xFF]),
                Way::Short => answer[4..6].copy_from_slice(&[0, 0]),
                Way::Unit(unit) => answer[6] = unit,
                Way::Protocol => answer[2..4].copy_from_slice(&[0x12, 0x34]),
                Way::Tail => answer.extend([0xDE, 0xAD]),
                Way::Twice => answer.extend(answer.clone()),
                Way::Slow(ms) => sleep(Duration::from_millis(ms)).await,
                _ => {}
            }
            match way {
                Way::Pieces => {
                    let (head, tail) = answer.split_at(9.min(answer.len()));
                    from.write_all(head).await.ok()?;
                    from.flush().await.ok()?;
                    sleep(Duration::from_millis(20)).await;
                    from.write_all(tail).await.ok()?;
                }
                Way::Bytes => {
                    for byte in &answer {
                        from.write_all(&[*byte]).await.ok()?;
                        tokio::task::yield_now().await;
                    }
                }
                _ => from.write_all(&answer).await.ok()?,
            }
            match way {
                Way::OneEach => return Some(()),
                Way::OneEachLater => {
                    sleep(Duration::from_millis(2)).await;
                    return Some(());
                }
                _ => {}
            }
        }
    }
}
