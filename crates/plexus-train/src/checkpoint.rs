//! A run as bytes: everything that is needed to go on as if it had never stopped.
//!
//! ```text
//! "PLEXUSCK"  version u32  header_len u64  header (JSON)  numbers (f32)  crc32c u32        all little-endian
//! ```
//!
//! The header holds the network, the settings, the position and whatever the caller adds; the numbers are weights, state,
//! optimiser buffers, best weights and best state, in this order. The checksum is over everything before it, so a file
//! that was cut or changed anywhere is refused.

use crate::optim::OptimizerState;
use crate::trainer::{Progress, Settings, Trainer};
use plexus_kernels::Context;
use plexus_kernels::buffer::Buffer;
use plexus_nn::{Network, Params, ShapeError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"PLEXUSCK";
const VERSION: u32 = 1;
const FIXED: usize = 8 + 4 + 8;
const CHECKSUM: usize = 4;

/// A file that is no checkpoint, or no longer one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file is something else.
    #[error("this is not a Plexus checkpoint: it does not begin with \"PLEXUSCK\"")]
    NotACheckpoint,
    /// The file was written by a later version.
    #[error("the checkpoint has version {found}, this program reads version {VERSION}: use a newer Plexus")]
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
    /// The network in it does not fit together.
    #[error("the checkpoint's network does not check: {0}")]
    Shape(#[from] ShapeError),
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

impl Trainer {
    /// The run as bytes. `extra` comes back from [`Trainer::from_checkpoint`].
    pub fn to_checkpoint(&self, extra: &BTreeMap<String, String>) -> Vec<u8> {
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
        let mut bytes = Vec::with_capacity(FIXED + header.len() + 4 * self.number_count() + CHECKSUM);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(header.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&header);
        let mut put = |values: &[f32]| bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        put(&self.params.weights);
        put(&self.params.state);
        self.optimizer.slots.iter().for_each(|slot| put(slot));
        if let Some(best) = &self.best {
            put(&best.weights);
            put(&best.state);
        }
        let checksum = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn number_count(&self) -> usize {
        let params = self.params.weights.len() + self.params.state.len();
        let copies = 1 + usize::from(self.best.is_some());
        params * copies + self.optimizer.slots.iter().map(|slot| slot.len()).sum::<usize>()
    }

    /// The run that [`Trainer::to_checkpoint`] wrote, and what the caller added to it.
    ///
    /// # Errors
    /// [`CheckpointError`] for anything but a whole, unchanged checkpoint.
    pub fn from_checkpoint(
        bytes: &[u8],
        context: Context,
    ) -> Result<(Trainer, BTreeMap<String, String>), CheckpointError> {
        let damaged = |what: &str| CheckpointError::Damaged { what: what.to_string() };
        if !bytes.starts_with(MAGIC) {
            let cut = bytes.len() < MAGIC.len() && MAGIC.starts_with(bytes);
            return Err(if cut { damaged("the file ends too early") } else { CheckpointError::NotACheckpoint });
        }
        if bytes.len() < FIXED + CHECKSUM {
            return Err(damaged("the file ends too early"));
        }
        let (body, checksum) = bytes.split_at(bytes.len() - CHECKSUM);
        let version = u32::from_le_bytes(body[8..12].try_into().expect("four bytes"));
        if crc32c::crc32c(body).to_le_bytes() != checksum {
            return Err(damaged("its checksum does not match; the file was cut or changed"));
        }
        // After the checksum: a flipped bit in the version is damage, not a newer program.
        if version != VERSION {
            return Err(CheckpointError::Version { found: version });
        }
        let header_len = u64::from_le_bytes(body[12..20].try_into().expect("eight bytes"));
        let header_len = usize::try_from(header_len).ok().filter(|len| *len <= body.len() - FIXED);
        let header_len = header_len.ok_or_else(|| damaged("its header is longer than the file"))?;
        let header: Header = serde_json::from_slice(&body[FIXED..FIXED + header_len])
            .map_err(|error| CheckpointError::Damaged { what: format!("its header does not read: {error}") })?;
        let network = Arc::new(header.network.check()?);

        let numbers = &body[FIXED + header_len..];
        let layout = network.layout();
        let (weights, state) = (layout.weights_len(), layout.state_len());
        let copies = 1 + usize::from(header.has_best);
        let slots = header.settings.optimizer.slot_count();
        if header.slots != slots || numbers.len() / 4 != (weights + state) * copies + weights * slots {
            return Err(damaged("it does not hold as many numbers as its network and optimiser need"));
        }
        let mut numbers = numbers.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().expect("four bytes")));
        let mut fill = |buffer: &mut Buffer| buffer.iter_mut().zip(&mut numbers).for_each(|(to, value)| *to = value);
        let mut params = Params::zeros(&network);
        fill(&mut params.weights);
        fill(&mut params.state);
        let mut optimizer = OptimizerState::new(&header.settings.optimizer, weights);
        optimizer.updates = header.updates;
        optimizer.slots.iter_mut().for_each(&mut fill);
        let best = header.has_best.then(|| {
            let mut best = Params::zeros(&network);
            fill(&mut best.weights);
            fill(&mut best.state);
            best
        });
        let trainer = Trainer::new(network, params, header.settings, context);
        let mut trainer = trainer.map_err(|unfit| CheckpointError::Damaged { what: unfit.to_string() })?;
        trainer.optimizer = optimizer;
        trainer.best = best;
        trainer.progress = header.progress;
        Ok((trainer, header.extra))
    }
}
