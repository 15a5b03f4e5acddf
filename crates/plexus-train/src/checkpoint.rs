//! A run as bytes: everything that is needed to go on as if it had never stopped.
//!
//! ```text
//! "PLEXUSCK"  version u32  header_len u64  header (JSON)  numbers (f32)  crc32c u32        all little-endian
//! ```
//!
//! The header holds the network, the settings, the position and whatever the caller adds; the numbers are weights, state,
//! optimiser buffers, best weights and best state, in this order. The checksum is over everything before it, so a file
//! that was cut or changed anywhere is refused.

use crate::trainer::{Progress, Settings, Trainer};
use plexus_kernels::Context;
use plexus_kernels::buffer::Buffer;
use plexus_nn::custom::NotRegistered;
use plexus_nn::{Network, Params, ShapeError, bytes};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"PLEXUSCK";
const VERSION: u32 = 2;
const FIXED: u64 = 8 + 4 + 8;
const CHECKSUM: u64 = 4;

/// A file that is no checkpoint, or no longer one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file is something else.
    #[error("this is not a Plexus checkpoint: it does not begin with \"PLEXUSCK\"")]
    NotACheckpoint,
    /// The file was written by another version of this program.
    #[error("the checkpoint has version {found}, this program reads version {VERSION}: {}", other_version(*found))]
    Version {
        /// The version in the file.
        found: u32,
    },
    /// The file was cut or changed.
    #[error("the checkpoint is damaged: {what}. Start again, or use an older copy")]
    Damaged {
        /// What does not hold.
        what: String,
    },
    /// The file cannot be read.
    #[error("cannot read the checkpoint")]
    Io(#[from] io::Error),
    /// It has a layer of another crate that this program does not know.
    #[error(transparent)]
    NotRegistered(Box<NotRegistered>),
    /// The network in it does not fit together.
    #[error("the checkpoint's network does not check")]
    Shape(#[from] ShapeError),
}

fn other_version(found: u32) -> &'static str {
    if found > VERSION { "use a newer Plexus" } else { "go on with the Plexus that wrote it, or train again" }
}

/// Everything but the numbers.
#[derive(Serialize, Deserialize)]
struct Header {
    network: Network,
    settings: Settings,
    progress: Progress,
    updates: u64,
    slots: usize,
    has_best: bool,
    /// What the caller wants to find again.
    extra: BTreeMap<String, String>,
}

/// Hands bytes on and keeps the checksum of all of them.
struct Summed<W> {
    writer: W,
    checksum: u32,
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.writer.write(bytes)?;
        self.checksum = crc32c::crc32c_append(self.checksum, &bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Trainer {
    /// Writes the run, tensor by tensor: nothing is copied before. `extra` comes back from [`Trainer::read_checkpoint`].
    ///
    /// # Errors
    /// What the writer says.
    pub fn write_checkpoint(&self, extra: &BTreeMap<String, String>, writer: &mut impl Write) -> io::Result<()> {
        let header = Header {
            network: self.network().network().clone(),
            settings: self.settings().clone(),
            progress: self.progress.clone(),
            updates: self.optimizer.updates,
            slots: self.optimizer.slots.len(),
            has_best: self.best.is_some(),
            extra: extra.clone(),
        };
        let header = serde_json::to_vec(&header).expect("plain data has a JSON form");
        let mut writer = Summed { writer, checksum: 0 };
        writer.write_all(MAGIC)?;
        writer.write_all(&VERSION.to_le_bytes())?;
        writer.write_all(&(header.len() as u64).to_le_bytes())?;
        writer.write_all(&header)?;
        self.numbers().try_for_each(|numbers| bytes::write(&mut writer, numbers))?;
        let checksum = writer.checksum;
        writer.write_all(&checksum.to_le_bytes())
    }

    /// All numbers, in the order of the file.
    fn numbers(&self) -> impl Iterator<Item = &Buffer> {
        let best = self.best.iter().flat_map(|best| [&best.weights, &best.state]);
        [&self.params.weights, &self.params.state].into_iter().chain(&self.optimizer.slots).chain(best)
    }

    /// The run as bytes: [`Trainer::write_checkpoint`] into memory.
    pub fn to_checkpoint(&self, extra: &BTreeMap<String, String>) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write_checkpoint(extra, &mut bytes).expect("memory takes what is written");
        bytes
    }

    /// The run that [`Trainer::write_checkpoint`] wrote, and what the caller added to it.
    ///
    /// The checksum is verified in a first pass over the file, piece by piece; then the numbers are read into their places.
    ///
    /// # Errors
    /// [`CheckpointError`] for anything but a whole, unchanged checkpoint.
    pub fn read_checkpoint(
        source: &mut (impl Read + Seek),
        context: Context,
    ) -> Result<(Trainer, BTreeMap<String, String>), CheckpointError> {
        let damaged = |what: &str| CheckpointError::Damaged { what: what.to_string() };
        let len = source.seek(SeekFrom::End(0))?;
        source.seek(SeekFrom::Start(0))?;
        let mut start = Vec::new();
        source.by_ref().take(FIXED).read_to_end(&mut start)?;
        if !start.starts_with(MAGIC) {
            let cut = start.len() < MAGIC.len() && MAGIC.starts_with(&start);
            return Err(if cut { damaged("the file ends too early") } else { CheckpointError::NotACheckpoint });
        }
        if len < FIXED + CHECKSUM || (start.len() as u64) < FIXED {
            return Err(damaged("the file ends too early"));
        }
        verify_checksum(source, len - CHECKSUM)?;
        let (_, rest) = start.split_at(MAGIC.len());
        let (version, header_len) = rest.split_at(4);
        // After the checksum: a flipped bit in the version is damage, not a newer program.
        let version = u32::from_le_bytes(version.try_into().expect("four bytes"));
        if version != VERSION {
            return Err(CheckpointError::Version { found: version });
        }
        let header_len = u64::from_le_bytes(header_len.try_into().expect("eight bytes"));
        let numbers = (len - CHECKSUM - FIXED).checked_sub(header_len);
        let numbers = numbers.ok_or_else(|| damaged("its header is longer than the file"))?;
        source.seek(SeekFrom::Start(FIXED))?;
        let mut header = vec![0; header_len as usize];
        source.read_exact(&mut header)?;
        let header: Header = serde_json::from_slice(&header).map_err(|error| match not_registered(&header) {
            Some(error) => CheckpointError::NotRegistered(Box::new(error)),
            None => CheckpointError::Damaged { what: format!("its header does not read: {error}") },
        })?;
        let network = Arc::new(header.network.check()?);

        let layout = network.layout();
        let (weights, state) = (layout.weights_len() as u64, layout.state_len() as u64);
        let (copies, slots) = (1 + u64::from(header.has_best), header.settings.optimizer.slot_count());
        let needed = (weights.saturating_add(state)).saturating_mul(copies);
        let needed = needed.saturating_add(weights.saturating_mul(slots as u64));
        if header.slots != slots || numbers != needed.saturating_mul(4) {
            return Err(damaged("it does not hold as many numbers as its network and optimiser need"));
        }
        let zeros = || Params::zeros(&network);
        let best = header.has_best.then(zeros);
        let trainer = Trainer::new(network.clone(), zeros(), header.settings, context);
        let mut trainer = trainer.map_err(|unfit| CheckpointError::Damaged { what: unfit.to_string() })?;
        trainer.optimizer.updates = header.updates;
        trainer.best = best;
        trainer.progress = header.progress;
        let Trainer { params, optimizer, best, .. } = &mut trainer;
        let best = best.iter_mut().flat_map(|best| [&mut best.weights, &mut best.state]);
        let places = [&mut params.weights, &mut params.state].into_iter().chain(&mut optimizer.slots).chain(best);
        for numbers in places {
            bytes::read(source, numbers)?;
        }
        Ok((trainer, header.extra))
    }

    /// The run that [`Trainer::to_checkpoint`] gave: [`Trainer::read_checkpoint`] from memory.
    ///
    /// # Errors
    /// [`CheckpointError`] for anything but a whole, unchanged checkpoint.
    pub fn from_checkpoint(
        bytes: &[u8],
        context: Context,
    ) -> Result<(Trainer, BTreeMap<String, String>), CheckpointError> {
        Trainer::read_checkpoint(&mut Cursor::new(bytes), context)
    }
}

/// Why a network does not read, where a layer of another crate is the reason.
fn not_registered(header: &[u8]) -> Option<NotRegistered> {
    let header: serde_json::Value = serde_json::from_slice(header).ok()?;
    NotRegistered::in_network(&header.get("network")?.to_string())
}

/// Compares the checksum of the first `len` bytes with the four bytes behind them.
fn verify_checksum(source: &mut (impl Read + Seek), len: u64) -> Result<(), CheckpointError> {
    source.seek(SeekFrom::Start(0))?;
    let (mut left, mut checksum, mut piece) = (len, 0, vec![0; 1 << 16]);
    while left > 0 {
        let piece = &mut piece[..left.min(1 << 16) as usize];
        source.read_exact(piece)?;
        checksum = crc32c::crc32c_append(checksum, piece);
        left -= piece.len() as u64;
    }
    let mut found = [0; CHECKSUM as usize];
    source.read_exact(&mut found)?;
    if checksum.to_le_bytes() == found {
        return Ok(());
    }
    Err(CheckpointError::Damaged { what: "its checksum does not match; the file was cut or changed".to_string() })
}
