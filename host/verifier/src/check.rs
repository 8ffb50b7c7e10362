//! The machine's locations as the verifier sees them, and the rules for each access.

use super::dram::Dram;
use super::memory::{Memory, in_range};
use super::noise::Noise;
use super::ports::Ports;
use super::rules::{Location, Rule};
use super::state::Cell;
use super::sums::Sums;
use super::transfer::{Known, Moving};
use super::walk::Issue;
use lpu_isa::image::Image;
use lpu_isa::{Geometry, timing};

/// Lanes that the choice of a token can tell apart: tokens have 16 bits.
const TOKENS_MAX: i64 = 1 << 16;

/// Everything known of the machine while the issues of all positions pass by in order.
pub(super) struct Checker {
    pub geometry: Geometry,
    pub position: i64,
    /// Tokens that may come in.
    pub vocab: i64,
    /// Tokens begun; the number of the current one, from 1.
    pub token: u32,
    pub weights: Memory,
    /// For each half row of weights in the image: whether any weight in it differs from zero.
    image_used: Vec<bool>,
    /// For each row of weights that a transfer brought: lanes from 0 that are not fill.
    pub filled: Vec<usize>,
    pub kv: Vec<Cell>,
    /// For each row of KV memory: whether what was written last was known.
    pub kv_known: Vec<bool>,
    pub vmem: Memory,
    pub vreg: Vec<Cell>,
    pub act: Vec<Cell>,
    pub scalars: Vec<Cell>,
    pub dram: Dram,
    pub moving: Moving,
    /// What was known of the rows of each transfer of this trip or segment that has ended.
    pub moved: Vec<Known>,
    pub sums: Sums,
    pub beat: Beat,
    /// Activation entry used last by a beat of this token.
    pub dot_entry: Option<i64>,
    /// Activation entry written last in this token.
    pub act_entry: Option<i64>,
    pub ports: Ports,
    pub noise: Noise,
    /// Cycle of the last row compared in this token.
    pub compared: Option<i64>,
    /// Latest effect of this token, and whose.
    pub latest: (i64, Option<Issue>),
    /// What was counted.
    pub counts: Counts,
}

/// Where a `Dot` is.
#[derive(Clone, Copy, Default)]
pub(super) struct Beat {
    /// Entry of its first beat.
    pub first_entry: i64,
    /// Piece of the result that the next beat adds to, and the number of that result.
    pub piece: i64,
    pub result: i64,
    /// Rows that it has emitted.
    pub emitted: i64,
}

/// Issues and accesses checked.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub issues: u64,
    pub reads: u64,
    pub writes: u64,
}

impl Checker {
    pub fn new(image: &Image) -> Self {
        let geometry = image.geometry;
        let cells = |count: usize| vec![Cell::NEW; count];
        let half_lanes = geometry.vxm_lanes / 2;
        let image_weights = image.weights.len() / geometry.mxm_lanes;
        let image_vmem = image.vmem.len() / geometry.vxm_lanes;
        Self {
            geometry,
            position: 0,
            vocab: i64::from(image.model.vocab).clamp(1, TOKENS_MAX),
            token: 0,
            weights: Memory::new(geometry.weight_rows, image_weights, Location::WeightRow),
            image_used: image.weights.chunks(half_lanes).map(|half| half.iter().any(|&w| w != 0)).collect(),
            filled: vec![0; geometry.weight_rows],
            kv: cells(geometry.kv_rows),
            kv_known: vec![false; geometry.kv_rows],
            vmem: Memory::new(geometry.vmem_rows, image_vmem, Location::VmemRow),
            vreg: cells(geometry.vreg_rows),
            act: cells(geometry.act_entries * geometry.halves()),
            scalars: cells(2 * geometry.scalars),
            dram: Dram::new(geometry.dram_granules, geometry.granule_bytes() * 8, image.dram.len()),
            moving: Moving::NONE,
            moved: Vec::new(),
            sums: Sums::default(),
            beat: Beat::default(),
            dot_entry: None,
            act_entry: None,
            ports: Ports::new(&geometry),
            noise: Noise::new(&geometry),
            compared: None,
            latest: (0, None),
            counts: Counts::default(),
        }
    }

    /// Begins the token at `position`. Memories keep what earlier tokens wrote, all else is as if never written.
    pub fn begin(&mut self, position: usize) {
        self.position = position as i64;
        self.token += 1;
        self.sums = Sums::default();
        self.dot_entry = None;
        self.act_entry = None;
        self.ports = Ports::new(&self.geometry);
        self.noise = Noise::new(&self.geometry);
        self.compared = None;
        self.latest = (0, None);
        self.moved.clear();
    }

    /// Ends the token, `end` being the queues' last activation, `vector` that of the vector queue: the cycles it took.
    pub fn end(&self, end: i64, vector: i64) -> Result<i64, (Option<Issue>, Rule)> {
        let end = end + timing::TURNAROUND_CYCLES;
        let (effect, issue) = self.latest;
        if effect > end {
            return Err((issue, Rule::AfterToken { effect, end }));
        }
        let compared = self.compared.ok_or((None, Rule::NoComparison))?;
        let ready = compared + timing::argmax_effect(&self.geometry);
        if vector < ready {
            return Err((None, Rule::ChoiceTooLate { ready, end: vector }));
        }
        Ok(end)
    }

    /// The row of weight memory at an address, which goes on at its start where there is external memory.
    pub fn weight_row(&self, row: i64) -> Result<usize, Rule> {
        let ring = self.geometry.has_external_memory();
        self.weights.index(if ring { row.rem_euclid(self.geometry.weight_rows as i64) } else { row })
    }

    /// Reads a row of weights: one that a transfer of this token brought, or a constant of the image.
    pub fn read_weights(&mut self, issue: &Issue, row: usize) -> Result<WeightRow, Rule> {
        self.counts.reads += 1;
        let brought = self.weights.read(self.token, issue, row, timing::MATRIX_ROW_SAMPLE)?;
        Ok(if brought { WeightRow::Lanes(self.filled[row]) } else { WeightRow::Image(row) })
    }

    /// Writes a row of weights, of which `lanes` are not fill.
    pub fn write_weights(&mut self, issue: &Issue, row: usize, lanes: usize, port: i64) -> Result<(), Rule> {
        self.ports.take_weights(issue.cycle + port, issue.by)?;
        let effect = self.effect(issue, timing::store_effect(port));
        self.filled[row] = lanes;
        self.weights.write(self.token, issue, row, effect)
    }

    /// Reads a KV row. Whether it holds what this or an earlier position wrote: if so, its lanes of later positions
    /// may still hold anything, and the program multiplies them by zero or masks them.
    pub fn read_kv(&mut self, issue: &Issue, row: i64, sample: i64) -> Result<bool, Rule> {
        let location = Location::KvRow(row);
        let row = in_range(row, self.geometry.kv_rows, location)?;
        self.counts.reads += 1;
        let cell = &mut self.kv[row];
        cell.read(self.token, issue, sample).map_err(|clash| clash.at(location))?;
        Ok(cell.token != 0 && self.kv_known[row])
    }

    /// Writes a KV row, or some lanes of it, through its only port, `port` cycles after the issue.
    pub fn write_kv(&mut self, issue: &Issue, row: i64, port: i64, known: bool) -> Result<(), Rule> {
        let location = Location::KvRow(row);
        let row = in_range(row, self.geometry.kv_rows, location)?;
        self.ports.take_kv(issue.cycle + port, issue.by)?;
        let effect = self.effect(issue, timing::store_effect(port));
        self.kv_known[row] = known;
        self.kv[row].write(self.token, issue, effect).map_err(|clash| clash.at(location))
    }

    /// Reads an activation entry against a row of weights, or of KV memory. Lanes that meet zero weights need not hold
    /// anything.
    pub fn read_act(&mut self, issue: &Issue, entry: i64, weights: WeightRow) -> Result<(), Rule> {
        let halves = self.geometry.halves();
        let half_lanes = self.geometry.vxm_lanes / 2;
        self.counts.reads += 1;
        let first = entry as usize * halves;
        for (half, cell) in self.act[first..first + halves].iter_mut().enumerate() {
            let location = Location::Act { entry, half: half as i64 };
            let used = match weights {
                WeightRow::Lanes(lanes) => half * half_lanes < lanes,
                WeightRow::Image(row) => self.image_used[row * halves + half],
            };
            if !used {
                let collision = cell.collides(self.token, issue, timing::ACT_SAMPLE);
                collision.map_err(|clash| clash.at(location))?;
                continue;
            }
            let driven = cell.read(self.token, issue, timing::ACT_SAMPLE);
            if !driven.map_err(|clash| clash.at(location))? {
                return Err(Rule::Undriven { location });
            }
        }
        Ok(())
    }

    pub fn write_act(&mut self, issue: &Issue, entry: i64, half: i64) -> Result<(), Rule> {
        let location = Location::Act { entry, half };
        let effect = self.effect(issue, timing::ACT_EFFECT);
        let cell = &mut self.act[entry as usize * self.geometry.halves() + half as usize];
        cell.write(self.token, issue, effect).map_err(|clash| clash.at(location))
    }

    /// Addresses a row of vector memory whose contents do not matter.
    pub fn address_vmem(&self, row: i64) -> Result<(), Rule> {
        self.vmem.index(row).map(drop)
    }

    /// Reads a row of vector memory: one that this token wrote, or a constant of the image that no token ever writes.
    pub fn read_vmem(&mut self, issue: &Issue, row: i64, sample: i64) -> Result<(), Rule> {
        let row = self.vmem.index(row)?;
        self.counts.reads += 1;
        self.vmem.read(self.token, issue, row, sample).map(drop)
    }

    /// As [`Checker::write_vmem`], for a row of the matrix unit.
    pub fn store_vmem(&mut self, issue: &Issue, row: i64, port: i64) -> Result<(), Rule> {
        self.write_vmem(issue, row, port)?;
        self.ports.take_matrix(issue.cycle + port, issue.by)
    }

    /// Writes a row of vector memory through its port, `port` cycles after the issue.
    pub fn write_vmem(&mut self, issue: &Issue, row: i64, port: i64) -> Result<(), Rule> {
        let row = self.vmem.index(row)?;
        self.ports.take_vmem(row, issue.cycle + port, issue.by)?;
        let effect = self.effect(issue, timing::store_effect(port));
        self.vmem.write(self.token, issue, row, effect)
    }

    pub fn read_vreg(&mut self, issue: &Issue, register: i64) -> Result<(), Rule> {
        let location = Location::Vreg(register);
        let index = in_range(register, self.geometry.vreg_rows, location)?;
        self.counts.reads += 1;
        let driven = self.vreg[index].read(self.token, issue, timing::VREG_SAMPLE);
        if driven.map_err(|clash| clash.at(location))? { Ok(()) } else { Err(Rule::Undriven { location }) }
    }

    pub fn write_vreg(&mut self, issue: &Issue, register: i64) -> Result<(), Rule> {
        let location = Location::Vreg(register);
        let index = in_range(register, self.geometry.vreg_rows, location)?;
        let effect = self.effect(issue, timing::VREG_EFFECT);
        self.vreg[index].write(self.token, issue, effect).map_err(|clash| clash.at(location))
    }

    /// Reads a scalar; the two above the written banks are constants.
    pub fn read_scalar(&mut self, issue: &Issue, scalar: i64) -> Result<(), Rule> {
        let location = Location::Scalar(scalar);
        let index = in_range(scalar, 2 * self.geometry.scalars + 2, location)?;
        self.counts.reads += 1;
        let Some(cell) = self.scalars.get_mut(index) else { return Ok(()) };
        let driven = cell.read(self.token, issue, timing::SCALAR_SAMPLE);
        if driven.map_err(|clash| clash.at(location))? { Ok(()) } else { Err(Rule::Undriven { location }) }
    }

    /// Writes a scalar `latency` cycles after the issue; its number was checked with the fields.
    pub fn write_scalar(&mut self, issue: &Issue, scalar: i64, latency: i64) -> Result<(), Rule> {
        let effect = self.effect(issue, latency);
        let write = self.scalars[scalar as usize].write(self.token, issue, effect);
        write.map_err(|clash| clash.at(Location::Scalar(scalar)))
    }

    /// The cycle of an effect, remembered if it is the latest.
    fn effect(&mut self, issue: &Issue, latency: i64) -> i64 {
        let effect = issue.cycle + latency;
        self.counts.writes += 1;
        if effect > self.latest.0 {
            self.latest = (effect, Some(*issue));
        }
        effect
    }
}

/// What a beat reads of weight memory.
#[derive(Clone, Copy)]
pub(super) enum WeightRow {
    /// A row of the image.
    Image(usize),
    /// A row with so many lanes that are not fill.
    Lanes(usize),
}
