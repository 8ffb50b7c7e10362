//! From the thread of a device to a task that tells a client.
//!
//! To wake another thread takes a device longer than to tell it a token, so the first token after a pause wakes its listener and
//! those that follow closely are taken together: a listener that has taken all there is looks again after [`FOLLOWING_PAUSE`].
//! The end of a text is heard at once.

use super::job::Event;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Time that a token may wait when it follows another: the runtime's finest.
const FOLLOWING_PAUSE: Duration = Duration::from_millis(1);

/// Where events go, each with the number of its choice. The channel has no bound of its own: a run has at most as many tokens as
/// the context, and a device must never wait for a slow reader.
#[derive(Clone)]
pub struct Listener {
    events: UnboundedSender<(usize, Event)>,
    ended: Arc<Notify>,
}

/// What is told, in order. To drop it is to go away.
pub struct Events {
    events: UnboundedReceiver<(usize, Event)>,
    ended: Arc<Notify>,
    /// An event was taken since the last pause: more may follow it closely.
    follows: bool,
}

/// A listener and what it hears.
pub fn listen() -> (Listener, Events) {
    let (sender, events) = unbounded_channel();
    let ended = Arc::new(Notify::new());
    (Listener { events: sender, ended: Arc::clone(&ended) }, Events { events, ended, follows: false })
}

impl Listener {
    /// Whether nobody listens any more.
    pub fn is_gone(&self) -> bool {
        self.events.is_closed()
    }

    /// Tells an event of a choice; a listener that has gone away needs nothing.
    pub fn tell(&self, choice: usize, event: Event) {
        let is_end = !matches!(event, Event::Prompt(_) | Event::Token(_));
        _ = self.events.send((choice, event));
        if is_end {
            self.ended.notify_one();
        }
    }
}

impl Events {
    /// The next event; `None` when nobody can tell any more. An event is never lost when the future is dropped.
    pub async fn next(&mut self) -> Option<(usize, Event)> {
        loop {
            match self.events.try_recv() {
                Ok(event) => {
                    self.follows = true;
                    return Some(event);
                }
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) if self.follows => {
                    self.follows = false;
                    // Either way it is time to look again.
                    _ = tokio::time::timeout(FOLLOWING_PAUSE, self.ended.notified()).await;
                }
                Err(TryRecvError::Empty) => {
                    let event = self.events.recv().await;
                    self.follows = true;
                    return event;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::job::{JobError, Token};
    use super::*;
    use lpu_runtime::sampling::{self, Executed};
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Wake, Waker};

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn token() -> Event {
        let executed = Executed {
            position: 0,
            input: 0,
            chosen: 0,
            cycles_predicted: 1,
            cycles_measured: 1,
            logits: Vec::new(),
        };
        let made = sampling::Token { id: 0, text: String::new(), bytes: Vec::new(), logprob: None, executed };
        Event::Token(Token { made, is_end: false, elapsed: Duration::ZERO })
    }

    #[test]
    fn the_first_token_and_the_end_wake_and_what_follows_closely_does_not() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        // Nothing drives this clock, so that no pause ends by itself.
        let _clock = runtime.enter();
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        let mut context = Context::from_waker(&waker);
        let count = || wakes.0.load(Ordering::Relaxed);
        let (listener, mut events) = listen();
        {
            let mut next = pin!(events.next());
            assert!(next.as_mut().poll(&mut context).is_pending());
            listener.tell(0, token());
            assert_eq!(count(), 1, "the first");
            assert!(next.as_mut().poll(&mut context).is_ready());
        }
        {
            let mut next = pin!(events.next());
            assert!(next.as_mut().poll(&mut context).is_pending());
            listener.tell(1, token());
            assert_eq!(count(), 1, "one that follows");
            listener.tell(2, Event::Failed(JobError::Closing));
            assert_eq!(count(), 2, "the end");
            let Poll::Ready(Some((choice, _))) = next.as_mut().poll(&mut context) else {
                panic!("something was told");
            };
            assert_eq!(choice, 1, "in order");
        }
        drop(listener);
        let next = pin!(events.next()).poll(&mut context);
        assert!(matches!(next, Poll::Ready(Some((2, Event::Failed(_))))));
        assert!(matches!(pin!(events.next()).poll(&mut context), Poll::Ready(None)));
    }

    #[test]
    fn whoever_goes_away_is_known_to_have_gone() {
        let (listener, events) = listen();
        assert!(!listener.is_gone());
        drop(events);
        assert!(listener.is_gone());
    }
}
