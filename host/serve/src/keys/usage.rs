//! What each key has used, today and ever: counted in memory, kept in an embedded store by a thread of its own.
//!
//! # Invariants
//! 1. The file is whole after a crash at any moment: every commit is one transaction.
//! 2. Counts on disk never exceed the true ones; a crash loses at most what arrived during the last commit.
//! 3. A request that begins within its limits is finished.

use super::Key;
use crate::model::now_s;
use redb::{Database, ReadableTable, TableDefinition};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

const DAY_S: u64 = 24 * 60 * 60;
/// Name of a key to its day, the requests and tokens of that day, and the tokens of all days.
const TABLE: TableDefinition<&str, (u64, u64, u64, u64)> = TableDefinition::new("usage");

/// What one key has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Days since 1970.
    pub day: u64,
    pub requests: u64,
    pub tokens: u64,
    pub tokens_ever: u64,
}

/// Why a usage file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot use the usage file {path}: {source}. Name another file with --usage, or end the server that uses this one"
)]
pub struct UsageError {
    path: String,
    source: Box<redb::Error>,
}

/// Any failure of the store, on the heap: it is large and rare.
struct Failed(Box<redb::Error>);

impl<E: Into<redb::Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(Box::new(error.into()))
    }
}

/// Why a key may not ask now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// As many requests as allowed today.
    Requests { limit: u64 },
    /// As many tokens as allowed today.
    Tokens { limit: u64 },
    /// The quota of all days is spent.
    Spent { quota: u64 },
}

/// The counts of all keys.
pub struct Usage {
    counts: Mutex<HashMap<String, Count>>,
    changed: Mutex<Option<Sender<String>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// An admitted request, by which its tokens are charged.
pub struct Ticket {
    usage: Arc<Usage>,
    key: Arc<Key>,
}

impl Usage {
    /// Opens or creates the file; without one, counts live as long as the server.
    ///
    /// # Errors
    /// When the file is no usage file, or another process uses it.
    pub fn open(path: Option<&Path>) -> Result<Arc<Self>, UsageError> {
        let usage =
            Arc::new(Self { counts: Mutex::default(), changed: Mutex::default(), writer: Mutex::default() });
        let Some(path) = path else { return Ok(usage) };
        let failed = |Failed(source): Failed| UsageError { path: path.display().to_string(), source };
        let store = Database::create(path).map_err(|error| failed(error.into()))?;
        *usage.lock() = read(&store).map_err(failed)?;
        let (sender, receiver) = channel();
        *lock(&usage.changed) = Some(sender);
        let counts = Arc::clone(&usage);
        *lock(&usage.writer) = Some(std::thread::spawn(move || keep(&store, &counts, &receiver)));
        Ok(usage)
    }

    /// Counts a request of a key, if its limits allow one.
    ///
    /// # Errors
    /// Says which limit is reached.
    pub fn admit(self: &Arc<Self>, key: &Arc<Key>) -> Result<Arc<Ticket>, Refusal> {
        self.change(key, |count| {
            check(key, count)?;
            count.requests += 1;
            Ok(())
        })?;
        Ok(Arc::new(Ticket { usage: Arc::clone(self), key: Arc::clone(key) }))
    }

    /// What a key has used.
    pub fn count(&self, key: &Key) -> Count {
        let counts = self.lock();
        today(counts.get(&key.name).copied().unwrap_or_default(), now_s() / DAY_S)
    }

    /// Writes what is not written yet, and closes the file.
    pub fn close(&self) {
        lock(&self.changed).take();
        if let Some(writer) = lock(&self.writer).take() {
            // A writer that panicked has already told so on standard error.
            _ = writer.join();
        }
    }

    fn change<E>(&self, key: &Key, change: impl FnOnce(&mut Count) -> Result<(), E>) -> Result<(), E> {
        let mut counts = self.lock();
        let count = counts.entry(key.name.clone()).or_default();
        *count = today(*count, now_s() / DAY_S);
        change(count)?;
        drop(counts);
        if let Some(changed) = &*lock(&self.changed) {
            // The writer ends only after this sender is gone.
            _ = changed.send(key.name.clone());
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Count>> {
        lock(&self.counts)
    }
}

impl Ticket {
    pub fn key(&self) -> &Arc<Key> {
        &self.key
    }

    pub fn count(&self) -> Count {
        self.usage.count(&self.key)
    }

    /// Counts tokens of the admitted request.
    pub fn charge(&self, tokens: u64) {
        let charged: Result<(), std::convert::Infallible> = self.usage.change(&self.key, |count| {
            count.tokens += tokens;
            count.tokens_ever += tokens;
            Ok(())
        });
        match charged {
            Ok(()) => {}
        }
    }
}

/// Seconds until the limits of a day begin anew.
pub fn reset_s() -> u64 {
    DAY_S - now_s() % DAY_S
}

fn check(key: &Key, count: &Count) -> Result<(), Refusal> {
    if let Some(quota) = key.tokens_quota.filter(|quota| count.tokens_ever >= *quota) {
        return Err(Refusal::Spent { quota });
    }
    if let Some(limit) = key.requests_per_day.filter(|limit| count.requests >= *limit) {
        return Err(Refusal::Requests { limit });
    }
    if let Some(limit) = key.tokens_per_day.filter(|limit| count.tokens >= *limit) {
        return Err(Refusal::Tokens { limit });
    }
    Ok(())
}

/// A count as of this day. A clock that goes back does not give a day twice.
fn today(count: Count, day: u64) -> Count {
    if day > count.day { Count { day, requests: 0, tokens: 0, ..count } } else { count }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Counts are changed in one step each, so that a panic elsewhere leaves them sound.
    mutex.lock().unwrap_or_else(|broken| broken.into_inner())
}

fn read(store: &Database) -> Result<HashMap<String, Count>, Failed> {
    let transaction = store.begin_write()?;
    let mut counts = HashMap::new();
    for entry in transaction.open_table(TABLE)?.iter()? {
        let (name, count) = entry?;
        let (day, requests, tokens, tokens_ever) = count.value();
        counts.insert(name.value().to_owned(), Count { day, requests, tokens, tokens_ever });
    }
    transaction.commit()?;
    Ok(counts)
}

/// Writes changed counts until nobody can change them any more. Changes that arrive during a commit share the next one.
fn keep(store: &Database, usage: &Usage, changed: &Receiver<String>) {
    while let Ok(first) = changed.recv() {
        let names: BTreeSet<String> = std::iter::once(first).chain(changed.try_iter()).collect();
        let counts: Vec<(String, Count)> = {
            let counts = usage.lock();
            names
                .into_iter()
                .filter_map(|name| counts.get(&name).copied().map(|count| (name, count)))
                .collect()
        };
        if let Err(Failed(error)) = write(store, &counts) {
            tracing::error!(error = %error, "usage could not be written; it is counted in memory");
        }
    }
}

fn write(store: &Database, counts: &[(String, Count)]) -> Result<(), Failed> {
    let transaction = store.begin_write()?;
    {
        let mut table = transaction.open_table(TABLE)?;
        for (name, Count { day, requests, tokens, tokens_ever }) in counts {
            table.insert(name.as_str(), (*day, *requests, *tokens, *tokens_ever))?;
        }
    }
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(
        requests_per_day: Option<u64>,
        tokens_per_day: Option<u64>,
        tokens_quota: Option<u64>,
    ) -> Arc<Key> {
        let (name, sha256) = ("alice".into(), String::new());
        Arc::new(Key { name, sha256, requests_per_day, tokens_per_day, tokens_quota })
    }

    #[test]
    fn each_limit_refuses_by_itself() {
        let usage = Usage::open(None).expect("no file, no failure");
        let two = key(Some(2), None, None);
        assert!(usage.admit(&two).is_ok() && usage.admit(&two).is_ok());
        assert_eq!(usage.admit(&two).err(), Some(Refusal::Requests { limit: 2 }));
        let ticket = usage.admit(&key(None, Some(10), Some(30))).expect("within its limits");
        ticket.charge(10);
        assert_eq!(usage.admit(&key(None, Some(10), Some(30))).err(), Some(Refusal::Tokens { limit: 10 }));
        ticket.charge(20);
        assert_eq!(usage.admit(&key(None, Some(10), Some(30))).err(), Some(Refusal::Spent { quota: 30 }));
    }

    #[test]
    fn counts_survive_the_server() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("usage.redb");
        let usage = Usage::open(Some(&path)).expect("a new file");
        usage.admit(&key(None, None, None)).expect("no limits").charge(7);
        let before = usage.count(&key(None, None, None));
        usage.close();
        drop(usage);
        let usage = Usage::open(Some(&path)).expect("the file again");
        assert_eq!(usage.count(&key(None, None, None)), before);
        assert_eq!((before.requests, before.tokens, before.tokens_ever), (1, 7, 7));
    }

    #[test]
    fn a_new_day_forgets_all_but_the_quota() {
        let count = Count { day: 5, requests: 3, tokens: 40, tokens_ever: 90 };
        assert_eq!(today(count, 6), Count { day: 6, requests: 0, tokens: 0, tokens_ever: 90 });
        assert_eq!(today(count, 4), count);
    }
}
