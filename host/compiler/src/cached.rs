//! Keys and values of a position as a chip has stored them, in real numbers: they show how far the input of each layer is from the model's.

use super::Compiled;
use lpu_isa::arith::{WEIGHT_BITS, kv_decode};
use lpu_isa::host::{DRAM_WORD_BYTES, Space};
use lpu_isa::transfer::bits;

/// Keys and values of one layer at one position, in the chip's channels.
#[derive(Clone, Debug, PartialEq)]
pub struct Cached {
    pub keys: Vec<f64>,
    pub values: Vec<f64>,
}

impl Compiled {
    /// The keys and values of a layer at a position that has been run. `read` gives the bytes of so many host words of a space from an
    /// address on: eight of each in external memory, nine in KV memory.
    pub fn cached(
        &self,
        layer: usize,
        position: usize,
        mut read: impl FnMut(Space, usize, usize) -> Vec<u8>,
    ) -> Cached {
        let (plan, format) = (&self.plan, &self.formats.layers[layer]);
        let (channels, geometry) = (&plan.channels, &plan.geometry);
        let (width, lanes, groups) = (channels.width, geometry.vxm_lanes, geometry.groups());
        let place = position % lanes;
        let mut found = Cached { keys: Vec::new(), values: Vec::new() };
        for head in 0..channels.kv_heads {
            let mut block = |is_value| self.block(layer, head, position / lanes, is_value, &mut read);
            let (keys, values) = (block(false), block(true));
            for lane in 0..width {
                let channel = head * width + lane;
                let key = code(&keys, place * width + lane) / format.k[channel];
                found.keys.push(key + format.k_centre[channel]);
                let (part, group) = (lane / groups, lane % groups);
                let value = code(&values, part * geometry.mxm_lanes + group * lanes + place);
                found.values.push(value / format.v[channel]);
            }
        }
        found
    }

    /// The rows of a block of keys or values of a head, one after another.
    fn block(
        &self,
        layer: usize,
        head: usize,
        block: usize,
        is_value: bool,
        read: &mut impl FnMut(Space, usize, usize) -> Vec<u8>,
    ) -> Vec<u8> {
        let (plan, geometry) = (&self.plan, &self.plan.geometry);
        if let Some(external) = &plan.external {
            let record = external.layers + layer * external.layer_granules;
            let granule = record + external.cache_of(plan, head, is_value) + block * external.block_granules;
            let words = geometry.granule_bytes() / DRAM_WORD_BYTES;
            return read(Space::Dram, granule * words, external.block_granules * words);
        }
        let rows = plan.kv_block_rows();
        let words = geometry.host_words_per_weight_row();
        let row = |part: usize| match is_value {
            true => plan.value_row(head, part) + block,
            false => plan.key_row(head) + block * rows + part,
        };
        (0..rows)
            .flat_map(|part| read(Space::Kv, (layer * plan.kv_rows + row(part)) * words, words))
            .collect()
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
    f64::from(kv_decode(raw << (16 - width) >> (16 - width)))
}
