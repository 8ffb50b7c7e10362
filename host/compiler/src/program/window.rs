//! Attention windows: masks of the position, the maximum of the scores that are seen, and probabilities of nothing else.

use super::*;
use crate::vectors::WindowRows;
use crate::windows::{HIDDEN, SCORE_SHIFT, UNIT_FRACTION_BITS};

impl Writer<'_> {
    /// What each block of the context shows at this position, for each window.
    pub(super) fn window_masks(&self, s: &mut Scheduler) {
        let Plan { vmem, vreg, blocks, geometry, windows, .. } = self.plan;
        for (window, rows) in windows.iter().zip(&vmem.windows) {
            for edge in 0..2 {
                let mask = Vector {
                    vmem_index: VmemIndex::PositionLane,
                    destination: Destination::Vmem,
                    row: (rows.table + window.edge + edge) as u32,
                    ..self.copied(rows.edges + edge * geometry.vxm_lanes)
                };
                s.place(mask, Issues::burst(1));
            }
            // From the oldest block that a context can have to the youngest: the table goes by age.
            let masks = Vector {
                vmem_index: VmemIndex::PositionRow,
                vmem_advance: true,
                destination: Destination::Vmem,
                row: (rows.masks + blocks - 1) as u32,
                row_step: -1,
                ..self.copied(rows.table + 1 - blocks)
            };
            // As late for all positions: the prologue takes the same time for each.
            let issues = Issues::burst(*blocks);
            let latest = s.earliest(masks, issues).into_iter().max().unwrap_or(0);
            s.place_after(masks, issues, &vec![latest; *blocks]);
        }
        if let Some(rows) = vmem.windows.first() {
            s.place(self.written(self.copied(vmem.window_unit), vreg.window_unit), Issues::burst(1));
            s.place(self.rounding(rows), Issues::burst(1));
        }
    }

    /// A scalar that a score is lessened by so that its shift rounds it up: minus half of what the shift drops.
    fn rounding(&self, rows: &WindowRows) -> Vector {
        let sum = -HIDDEN as usize * self.plan.geometry.vxm_lanes;
        Vector {
            reduce: Reduce::All,
            scaling: Scaling::Plain,
            sum_shift: sum.ilog2() - (SCORE_SHIFT - 1),
            reduction: self.reduction(self.rounding_number()),
            ..self.copied(rows.table + rows.table_rows - 1)
        }
    }

    /// It comes after the scales of embedding and position.
    fn rounding_number(&self) -> usize {
        EMBEDDING_SCALE + 1 + usize::from(self.plan.features.positions)
    }

    /// The masks of the layer's window, if it has one, into registers.
    pub(super) fn layer_masks(&self, s: &mut Scheduler) {
        let Plan { constants, vmem, vreg, .. } = self.plan;
        for (index, rows) in vmem.windows.iter().enumerate() {
            let (flag, once) = self.copy(vmem.layers + constants.windows + index, vreg.window_flag, 1);
            s.place(flag, once);
            let masks = Vector {
                vmem: rows.masks as u32,
                vmem_advance: true,
                b: B::VregA,
                a: vreg.window_flag as u32,
                shift: UNIT_FRACTION_BITS,
                c: if index == 0 { C::Zero } else { C::VregB },
                bc: vreg.window_masks as u32,
                bc_advance: true,
                ..Vector::default()
            };
            s.place(self.written(masks, vreg.window_masks), Issues::per_block(1));
        }
    }

    /// The maximum of each head's scores over the positions that are seen: scores go through the activation entries, where hidden
    /// ones become less than all others, and the matrix unit finds the largest.
    pub(super) fn limit_to_windows(&self, s: &mut Scheduler) {
        for head in 0..self.plan.channels.heads {
            s.place_passing(None, self.limited(head), self.maximum(head));
        }
    }

    fn limited(&self, head: usize) -> Placed {
        let Plan { vmem, vreg, blocks, channels, geometry, .. } = self.plan;
        let limited = Vector {
            vmem: (vmem.scores + head * blocks) as u32,
            vmem_advance: true,
            subtract: true,
            scalar: self.reduced(self.rounding_number()),
            b: B::VregA,
            a: vreg.window_unit as u32,
            shift: UNIT_FRACTION_BITS + SCORE_SHIFT as i32,
            destination: Destination::Act,
            entry: (channels.heads % geometry.act_entries) as u32,
            entry_continue: head > 0,
            entry_advance: true,
            ..Vector::default()
        };
        (self.masked(limited), Issues::per_block(1))
    }

    fn maximum(&self, head: usize) -> (Dot, Issues) {
        let Plan { vmem, channels, geometry, lanes_row, .. } = self.plan;
        let maximum = Dot {
            memory: Memory::Weights,
            row: *lanes_row as u32,
            entry: (channels.heads % geometry.act_entries) as u32,
            entry_continue: head > 0,
            entry_advance: true,
            tap: geometry.groups().ilog2(),
            clear: Clear::Always,
            emit: Emit::Wrap,
            maximum: true,
            scalar: head as u32,
            store: vmem.limited as u32,
            ..Dot::default()
        };
        (maximum, Issues::per_block(1))
    }

    /// Probabilities, of which those of hidden positions fall below zero and become zero.
    pub(super) fn hiding(&self, probabilities: Vector) -> Vector {
        match self.plan.windows.is_empty() {
            true => probabilities,
            false => Vector { relu: true, ..self.masked(probabilities) },
        }
    }

    fn masked(&self, vector: Vector) -> Vector {
        Vector { c: C::VregB, bc: self.plan.vreg.window_masks as u32, bc_advance: true, ..vector }
    }
}
