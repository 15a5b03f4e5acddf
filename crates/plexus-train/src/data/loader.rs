//! Rows for training: in a random order that seed and epoch decide, changed where asked, and gathered ahead where that pays.

use super::augment::Augment;
use super::batch::{Batch, Widths};
use super::change::Change;
use super::source::{GatherError, Rows, Source};
use crate::check::Fit;
use plexus_kernels::random::{Random, Stream};
use plexus_kernels::threads::Pool;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// Bytes that batches gathered ahead may take: 64 MiB.
const BUDGET: usize = 64 << 20;

/// The most batches that are gathered ahead.
const MOST_AHEAD: usize = 8;

/// Hands the rows of a source to a [`Trainer`](crate::trainer::Trainer), batch after batch:
/// [`Trainer::loader`](crate::trainer::Trainer::loader) makes one.
///
/// The order of an epoch depends on the seed and the epoch alone, what happens to a picture on seed, epoch and row. So a
/// run that goes on in the middle sees what it would have seen. A thread that gathers ahead changes no number.
pub struct Loader {
    gatherer: Gatherer,
    fit: Arc<Fit>,
    order: Order,
    epochs: u64,
    /// Rows of one update.
    step: u64,
    current: Batch,
    ahead: Option<Ahead>,
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Loader of {} rows of {}", self.order.rows.len(), self.gatherer.source.name())
    }
}

/// What decides how rows are handed out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handing<'a> {
    pub seed: u64,
    pub epochs: u64,
    /// Rows of one update.
    pub step: u64,
    pub augment: Option<&'a Augment>,
    /// Threads that training keeps busy.
    pub threads: usize,
}

impl Loader {
    /// `fit` was made for this source.
    pub(crate) fn new(source: Arc<dyn Source>, fit: Arc<Fit>, rows: Rows, handing: Handing<'_>) -> Self {
        let Handing { seed, epochs, step, augment, threads } = handing;
        let gatherer = Gatherer { widths: fit.widths().clone(), augment: augment.copied(), seed, source };
        // What is there already is copied in a moment; a thread beside the others would only be in their way.
        let pays = !gatherer.source.is_in_memory() || augment.is_some() && threads < Pool::processors();
        let order = Order { rows, seed, epoch: None, list: Vec::new() };
        let ahead = pays.then(|| Ahead::start(gatherer.clone(), order.clone()));
        Loader { gatherer, fit, order, epochs, step, current: Batch::default(), ahead }
    }

    /// The rows to learn from.
    pub fn rows(&self) -> &Rows {
        &self.order.rows
    }

    /// Where they come from.
    pub fn source(&self) -> &Arc<dyn Source> {
        &self.gatherer.source
    }

    /// The proof that they fit the network.
    pub(crate) fn fit(&self) -> &Arc<Fit> {
        &self.fit
    }

    /// The rows at some places of the order of an epoch.
    pub(crate) fn batch(&mut self, epoch: u64, places: Range<u64>, pool: &Pool) -> Result<&Batch, GatherError> {
        let Loader { gatherer, order, epochs, step, current, ahead, .. } = self;
        let found = ahead.as_mut().and_then(|ahead| ahead.take(epoch, &places, current));
        let result = found.unwrap_or_else(|| {
            let rows = &order.of(epoch)[places.start as usize..places.end as usize];
            gatherer.fill(epoch, rows, current, pool)
        });
        if let Some(ahead) = ahead {
            let bytes = gatherer.widths.bytes().saturating_mul(*step as usize);
            let depth = (BUDGET / bytes.max(1)).clamp(1, MOST_AHEAD);
            ahead.order_more((epoch, places), (order.rows.len(), *epochs), *step, depth);
        }
        result.map(|()| &self.current)
    }

    /// These rows, whatever the order.
    pub(crate) fn batch_of(&mut self, epoch: u64, rows: &[u64], pool: &Pool) -> Result<&Batch, GatherError> {
        self.gatherer.fill(epoch, rows, &mut self.current, pool).map(|()| &self.current)
    }
}

/// The order of an epoch.
#[derive(Clone)]
struct Order {
    rows: Rows,
    seed: u64,
    /// The epoch that `list` is for.
    epoch: Option<u64>,
    list: Vec<u64>,
}

impl Order {
    fn of(&mut self, epoch: u64) -> &[u64] {
        if self.epoch != Some(epoch) {
            self.list.clear();
            self.list.extend(self.rows.iter());
            Random::new(self.seed, Stream::Shuffle, [epoch, 0]).shuffle(&mut self.list);
            self.epoch = Some(epoch);
        }
        &self.list
    }
}

/// Gathers rows and changes pictures.
#[derive(Clone)]
struct Gatherer {
    source: Arc<dyn Source>,
    widths: Widths,
    augment: Option<Augment>,
    seed: u64,
}

impl Gatherer {
    fn fill(&self, epoch: u64, rows: &[u64], into: &mut Batch, pool: &Pool) -> Result<(), GatherError> {
        into.resize(&self.widths, rows.len());
        match self.augment {
            Some(augment) => {
                let change = Change { augment, seed: self.seed, epoch };
                self.source.gather_changed(rows, &change, into, pool)
            }
            None => self.source.gather(rows, into, pool),
        }
    }
}

/// A thread that gathers the batches that will be asked for next.
struct Ahead {
    /// `None` once the thread is to end.
    requests: Option<Sender<Request>>,
    ready: Receiver<(Batch, Result<(), GatherError>)>,
    /// What was asked for and not yet taken, in its order.
    waiting: VecDeque<(u64, Range<u64>)>,
    spare: Vec<Batch>,
    thread: Option<JoinHandle<()>>,
}

struct Request {
    epoch: u64,
    places: Range<u64>,
    into: Batch,
}

impl Ahead {
    fn start(gatherer: Gatherer, mut order: Order) -> Self {
        let (requests, asked) = channel::<Request>();
        let (answers, ready) = channel();
        let work = move || {
            let pool = Pool::single();
            for Request { epoch, places, mut into } in asked {
                let rows = &order.of(epoch)[places.start as usize..places.end as usize];
                let result = gatherer.fill(epoch, rows, &mut into, &pool);
                if answers.send((into, result)).is_err() {
                    break;
                }
            }
        };
        // Where no thread can be had, batches are gathered when they are needed.
        let thread = std::thread::Builder::new().name("plexus-loader".to_string()).spawn(work).ok();
        let requests = thread.is_some().then_some(requests);
        Ahead { requests, ready, waiting: VecDeque::new(), spare: Vec::new(), thread }
    }

    /// Puts a batch that was gathered ahead into `current`; `None` where another was expected.
    fn take(&mut self, epoch: u64, places: &Range<u64>, current: &mut Batch) -> Option<Result<(), GatherError>> {
        while let Some(key) = self.waiting.pop_front() {
            let Ok((gathered, result)) = self.ready.recv() else {
                // The thread panicked, in the code of the source: so does training.
                self.requests = None;
                match self.thread.take().map(JoinHandle::join) {
                    Some(Err(panic)) => std::panic::resume_unwind(panic),
                    _ => return None,
                }
            };
            if key == (epoch, places.clone()) {
                self.spare.push(std::mem::replace(current, gathered));
                return Some(result);
            }
            self.spare.push(gathered);
        }
        None
    }

    /// Asks for the batches of `step` rows after the one that was taken, until `depth` are on the way or `rows` and `epochs`
    /// end.
    fn order_more(&mut self, taken: (u64, Range<u64>), (rows, epochs): (u64, u64), step: u64, depth: usize) {
        let Some(requests) = &self.requests else { return };
        let (mut epoch, mut places) = self.waiting.back().cloned().unwrap_or(taken);
        while self.waiting.len() < depth {
            (epoch, places) = match places.end < rows {
                true => (epoch, places.end..rows.min(places.end + step)),
                false => (epoch + 1, 0..step.min(rows)),
            };
            if epoch >= epochs {
                return;
            }
            let into = self.spare.pop().unwrap_or_default();
            if requests.send(Request { epoch, places: places.clone(), into }).is_err() {
                return;
            }
            self.waiting.push_back((epoch, places.clone()));
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // What it still gathers is thrown away; where it panicked, nobody waits for its rows any more.
            let _ = thread.join();
        }
    }
}
