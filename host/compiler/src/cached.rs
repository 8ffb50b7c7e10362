//! Keys and values of a position as a chip with external memory has stored them, in real numbers: what shows how far each layer's input
//! is from the model's.

use super::Compiled;
use lpu_isa::arith::{WEIGHT_BITS, kv_decode};
use lpu_isa::transfer::bits;

/// Keys and values of one layer at one position, in the chip's channels.
pub struct Cached {
    pub keys: Vec<f64>,
    pub values: Vec<f64>,
}

impl Compiled {
    /// The keys and values of a layer. `read` gives so many bytes of external memory from a byte on. None if the program has no external
    /// memory.
    pub fn cached(
        &self,
        layer: usize,
        position: usize,
        mut read: impl FnMut(usize, usize) -> Vec<u8>,
    ) -> Option<Cached> {
        let plan = &self.plan;
        let external = plan.external.as_ref()?;
        let (channels, geometry, format) = (&plan.channels, &plan.geometry, &self.formats.layers[layer]);
        let (width, lanes, groups) = (channels.width, geometry.vxm_lanes, geometry.groups());
        let record = external.layers + layer * external.layer_granules;
        let (block, place) = (position / lanes, position % lanes);
        let mut found = Cached { keys: Vec::new(), values: Vec::new() };
        for head in 0..channels.kv_heads {
            let mut block_of = |is_value| {
                let granule =
                    record + external.cache_of(plan, head, is_value) + block * external.block_granules;
                let bytes = geometry.granule_bytes();
                read(granule * bytes, external.block_granules * bytes)
            };
            let (keys, values) = (block_of(false), block_of(true));
            for lane in 0..width {
                let channel = head * width + lane;
                found
                    .keys
                    .push(code(&keys, place * width + lane) / format.k[channel] + format.k_centre[channel]);
                let (part, group) = (lane / groups, lane % groups);
                let at = part * geometry.mxm_lanes + group * lanes + place;
                found.values.push(code(&values, at) / format.v[channel]);
            }
        }
        Some(found)
    }

    /// A model's keys and values in the chip's channels.
    pub fn spread(&self, keys: &[f32], values: &[f32]) -> Cached {
        let channels = &self.plan.channels;
        let real = |values: Vec<f32>| values.into_iter().map(f64::from).collect();
        Cached { keys: real(channels.spread_kv(keys)), values: real(channels.spread_values(values)) }
    }
}

fn code(bytes: &[u8], lane: usize) -> f64 {
    let width = WEIGHT_BITS as usize;
    let raw = bits(bytes, lane * width, width) as i16;
    let signed = raw << (16 - width) >> (16 - width);
    f64::from(kv_decode(signed))
}
