//! How long the silence of a gateway or of a unit behind it is borne.
//!
//! A gateway has [`FIRST`] for its first answer, or what the inventory allows it for one answer where
//! that is longer. What has answered before and falls silent is given up after [`SILENCE`]: from then
//! on a request fails at once, and only now and then one is tried. So a dead gateway is named within
//! a second, however many devices stand behind it, and one that dies under way within a few.

use std::time::Duration;

use tokio::time::Instant;

use super::session::Fault;

/// How long the first answer is waited for.
pub const FIRST: Duration = Duration::from_millis(700);
/// After how long what has answered before is given up.
pub const SILENCE: Duration = Duration::from_secs(3);
/// How long what was given up is left alone before one request is tried again.
const REST: Duration = Duration::from_secs(1);
/// A rest of patience that is not worth a request.
const NOTHING: Duration = Duration::from_millis(10);

/// What is known of somebody who may answer.
#[derive(Debug, Clone)]
pub struct Patience {
    first: Duration,
    /// waiting time that is left for the first answer
    left: Duration,
    heard: bool,
    /// since when everything failed, and when the last request did
    silent: Option<(Instant, Instant)>,
    last: Option<Fault>,
}

impl Patience {
    /// With somebody of whom nothing was heard yet.
    #[must_use]
    pub const fn new(first: Duration) -> Self {
        Self { first, left: first, heard: false, silent: None, last: None }
    }

    /// Whether anything was ever heard.
    #[must_use]
    pub const fn heard(&self) -> bool {
        self.heard
    }

    /// How long the next request may wait for its answer; `None`: as long as any.
    ///
    /// # Errors
    /// [`Fault::GivenUp`].
    pub fn now(&self, now: Instant) -> Result<Option<Duration>, Fault> {
        let most = if self.heard { SILENCE } else { self.first };
        // what fails at once costs no waiting, but not for ever either
        let over = self.silent.is_some_and(|(since, last)| {
            now.duration_since(since) >= most && now.duration_since(last) < REST
        });
        let given_up = over || (!self.heard && self.left <= NOTHING);
        match &self.last {
            Some(last) if given_up => Err(Fault::GivenUp(Box::new(last.clone()))),
            _ => Ok((!self.heard).then_some(self.left)),
        }
    }

    /// Takes note of what came of a request that was begun at `begun`.
    pub fn took(&mut self, begun: Instant, fault: Option<&Fault>) {
        match fault {
            None | Some(Fault::Exception(_)) => {
                self.heard = true;
                self.silent = None;
            }
            Some(fault) => {
                let now = Instant::now();
                self.left = self.left.saturating_sub(now.duration_since(begun));
                let since = self.silent.map_or(begun, |(since, _)| since);
                self.silent = Some((since, now));
                self.last = Some(fault.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silence() -> Fault {
        Fault::NoAnswer("nothing".to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn who_never_answers_is_given_up_when_the_first_wait_is_spent() {
        let mut patience = Patience::new(FIRST);
        let begun = Instant::now();
        assert_eq!(patience.now(begun), Ok(Some(FIRST)));
        // a refusal costs no time and can be tried again, but not for ever
        let refused = Fault::Unreachable("refused".to_owned());
        patience.took(begun, Some(&refused));
        assert_eq!(patience.now(begun), Ok(Some(FIRST)));
        tokio::time::advance(FIRST).await;
        assert_eq!(patience.now(Instant::now()), Err(Fault::GivenUp(Box::new(refused))));
        patience.took(begun, Some(&silence()));
        assert_eq!(patience.now(Instant::now()), Err(Fault::GivenUp(Box::new(silence()))));
    }

    #[tokio::test(start_paused = true)]
    async fn who_falls_silent_is_given_up_later_and_tried_now_and_then() {
        let mut patience = Patience::new(FIRST);
        patience.took(Instant::now(), Some(&Fault::Exception(11)));
        assert_eq!(patience.now(Instant::now()), Ok(None));
        let begun = Instant::now();
        patience.took(begun, Some(&silence()));
        assert_eq!(patience.now(Instant::now()), Ok(None));
        tokio::time::advance(SILENCE).await;
        patience.took(Instant::now(), Some(&silence()));
        assert!(patience.now(Instant::now()).is_err());
        tokio::time::advance(REST).await;
        assert_eq!(patience.now(Instant::now()), Ok(None));
        patience.took(Instant::now(), None);
        tokio::time::advance(SILENCE).await;
        assert_eq!(patience.now(Instant::now()), Ok(None));
    }
}
