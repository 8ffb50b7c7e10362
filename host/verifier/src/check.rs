//! The machine's locations as the verifier sees them, and the rules for each access.

use super::rules::{By, Location, Rule};
use super::state::{Cell, Noise, StorePort, Sums};
use super::walk::{Ends, Issue};
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
    token: u32,
    image_weight_rows: i64,
    image_vmem_rows: i64,
    /// For each half row of weights in the image: whether any weight in it differs from zero.
    weight_used: Vec<bool>,
    kv: Vec<Cell>,
    vmem: Vec<Cell>,
    vreg: Vec<Cell>,
    act: Vec<Cell>,
    scalars: Vec<Cell>,
    /// Who reads a row of vector memory as the image holds it.
    constant_readers: Vec<Option<By>>,
    pub sums: Sums,
    /// Activation entry used last by a beat of this token.
    pub dot_entry: Option<i64>,
    /// Activation entry written last in this token.
    pub act_entry: Option<i64>,
    /// Rows that the current `Dot` has emitted.
    pub emitted: i64,
    port: StorePort,
    pub noise: Noise,
    /// Cycle of the last row compared in this token.
    pub compared: Option<i64>,
    /// Latest effect of this token, and whose.
    latest: (i64, Option<Issue>),
    /// Accesses checked.
    pub reads: u64,
    pub writes: u64,
}

impl Checker {
    pub fn new(image: &Image) -> Self {
        let geometry = image.geometry;
        let cells = |count: usize| vec![Cell::NEW; count];
        let half_lanes = geometry.vxm_lanes / 2;
        Self {
            geometry,
            position: 0,
            vocab: i64::from(image.model.vocab).clamp(1, TOKENS_MAX),
            token: 0,
            image_weight_rows: (image.weights.len() / geometry.mxm_lanes) as i64,
            image_vmem_rows: (image.vmem.len() / geometry.vxm_lanes) as i64,
            weight_used: image.weights.chunks(half_lanes).map(|half| half.iter().any(|&w| w != 0)).collect(),
            kv: cells(geometry.kv_rows),
            vmem: cells(geometry.vmem_rows),
            vreg: cells(geometry.vreg_rows),
            act: cells(geometry.act_entries * geometry.halves()),
            scalars: cells(2 * geometry.scalars),
            constant_readers: vec![None; geometry.vmem_rows],
            sums: Sums::default(),
            dot_entry: None,
            act_entry: None,
            emitted: 0,
            port: StorePort::new(),
            noise: Noise::new(&geometry),
            compared: None,
            latest: (0, None),
            reads: 0,
            writes: 0,
        }
    }

    /// Begins the token at `position`. Memories keep what earlier tokens wrote, all else is as if never written.
    pub fn begin(&mut self, position: usize) {
        self.position = position as i64;
        self.token += 1;
        self.sums = Sums::default();
        self.dot_entry = None;
        self.act_entry = None;
        self.port = StorePort::new();
        self.noise = Noise::new(&self.geometry);
        self.compared = None;
        self.latest = (0, None);
    }

    /// Ends the token: the cycles it took.
    pub fn end(&self, ends: Ends) -> Result<i64, (Option<Issue>, Rule)> {
        let end = ends.matrix.max(ends.vector) + timing::TURNAROUND_CYCLES;
        let (effect, issue) = self.latest;
        if effect > end {
            return Err((issue, Rule::AfterToken { effect, end }));
        }
        let compared = self.compared.ok_or((None, Rule::NoComparison))?;
        let ready = compared + timing::argmax_effect(&self.geometry);
        if ends.vector < ready {
            return Err((None, Rule::ChoiceTooLate { ready, end: ends.vector }));
        }
        Ok(end)
    }

    /// Reads a row of weights, which must be in the image: nothing ever writes one. True, as of [`Self::read_kv`].
    pub fn read_weights(&mut self, row: i64) -> Result<bool, Rule> {
        let location = Location::WeightRow(row);
        in_range(row, self.geometry.weight_rows, location)?;
        self.reads += 1;
        if row < self.image_weight_rows { Ok(true) } else { Err(Rule::Undriven { location }) }
    }

    /// Reads a KV row. Whether it was ever written, by this or an earlier position: if so, its lanes of later positions
    /// may still hold anything, and the program multiplies them by zero or masks them.
    pub fn read_kv(&mut self, issue: &Issue, row: i64) -> Result<bool, Rule> {
        let location = Location::KvRow(row);
        let row = in_range(row, self.geometry.kv_rows, location)?;
        self.reads += 1;
        let cell = &mut self.kv[row];
        cell.read(self.token, issue, timing::MATRIX_ROW_SAMPLE).map_err(|clash| clash.at(location))?;
        Ok(cell.token != 0)
    }

    pub fn write_kv(&mut self, issue: &Issue, row: i64) -> Result<(), Rule> {
        let location = Location::KvRow(row);
        let row = in_range(row, self.geometry.kv_rows, location)?;
        let effect = self.effect(issue, timing::KV_EFFECT);
        self.kv[row].write(self.token, issue, effect).map_err(|clash| clash.at(location))
    }

    /// Reads an activation entry against a row of weights, or of KV memory. Lanes that meet zero weights need not hold
    /// anything.
    pub fn read_act(&mut self, issue: &Issue, entry: i64, weight_row: Option<i64>) -> Result<(), Rule> {
        let halves = self.geometry.halves();
        self.reads += 1;
        for half in 0..halves {
            let location = Location::Act { entry, half: half as i64 };
            let cell = &mut self.act[entry as usize * halves + half];
            let used = weight_row.is_none_or(|row| self.weight_used[row as usize * halves + half]);
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
        in_range(row, self.geometry.vmem_rows, Location::VmemRow(row)).map(drop)
    }

    /// Reads a row of vector memory: one that this token wrote, or a constant of the image that no token ever writes.
    pub fn read_vmem(&mut self, issue: &Issue, row: i64) -> Result<(), Rule> {
        let location = Location::VmemRow(row);
        let index = in_range(row, self.geometry.vmem_rows, location)?;
        self.reads += 1;
        let cell = &mut self.vmem[index];
        let driven = cell.read(self.token, issue, timing::VMEM_SAMPLE).map_err(|clash| clash.at(location))?;
        if driven {
            return Ok(());
        }
        if row >= self.image_vmem_rows {
            return Err(Rule::Undriven { location });
        }
        if cell.token != 0 {
            return Err(Rule::ConstantLost { location, reader: issue.by, writer: cell.by });
        }
        self.constant_readers[index] = Some(issue.by);
        Ok(())
    }

    /// Writes a row of vector memory through its only port, `port` cycles after the issue.
    pub fn write_vmem(&mut self, issue: &Issue, row: i64, port: i64) -> Result<(), Rule> {
        let location = Location::VmemRow(row);
        let index = in_range(row, self.geometry.vmem_rows, location)?;
        self.port.take(issue.cycle + port, issue.by)?;
        if let Some(reader) = self.constant_readers[index] {
            return Err(Rule::ConstantLost { location, reader, writer: issue.by });
        }
        let effect = self.effect(issue, timing::store_effect(port));
        self.vmem[index].write(self.token, issue, effect).map_err(|clash| clash.at(location))
    }

    pub fn read_vreg(&mut self, issue: &Issue, register: i64) -> Result<(), Rule> {
        let location = Location::Vreg(register);
        let index = in_range(register, self.geometry.vreg_rows, location)?;
        self.reads += 1;
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
        self.reads += 1;
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
        self.writes += 1;
        if effect > self.latest.0 {
            self.latest = (effect, Some(*issue));
        }
        effect
    }
}

fn in_range(address: i64, rows: usize, location: Location) -> Result<usize, Rule> {
    match usize::try_from(address) {
        Ok(index) if index < rows => Ok(index),
        _ => Err(Rule::Address { location, rows }),
    }
}
