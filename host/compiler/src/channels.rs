//! How a model's channels lie in the chip's lanes.
//!
//! A head's vector is padded with zeros to a width that the chip has, and dimensions that rotate together become
//! neighbours: the chip exchanges lanes `2i` and `2i + 1`. Scores do not change when q and k are permuted alike.

use super::turns;
use lpu_isa::Geometry;
use lpu_model::{Config, Matrix, Rope};

/// Channel layout of heads.
#[derive(Clone, Debug)]
pub struct Channels {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Lanes of one head.
    pub width: usize,
    head_dim: usize,
    /// The model's dimension in each lane of a q or k head.
    rotated: Vec<Option<usize>>,
    /// Turning rates of each pair of lanes, radians per position: of the usual way and of the other one.
    rates: [Vec<f64>; 2],
    /// The layers that turn the other way.
    second: Vec<bool>,
}

impl Channels {
    /// The layout for a model on a chip. Heads that are normalised have rows of their own, because sums are over whole rows.
    pub fn new(config: &Config, head_norm: bool, geometry: &Geometry) -> Self {
        let lanes = if head_norm { geometry.vxm_lanes } else { geometry.vxm_lanes / 2 };
        let least = geometry.narrowest_tap().max(lanes);
        let mut width = config.head_dim.next_power_of_two().max(least);
        // Mixed values leave as a whole row of sums. Lanes beyond an only head hold scores then, and those of positions to come, which lie in
        // further rows of keys, are of keys that nobody has written.
        if config.heads == 1 && width > geometry.groups() {
            width = width.max(geometry.vxm_lanes);
        }
        let mut order: Vec<usize> = Vec::with_capacity(config.head_dim);
        if let Some(rope) = &config.rope {
            order.extend((0..rope.dims / 2).flat_map(|pair| <[usize; 2]>::from(rope.pair_dims(pair))));
        }
        order.extend(
            (0..config.head_dim).filter(|dim| config.rope.as_ref().is_none_or(|rope| *dim >= rope.dims)),
        );
        debug_assert_eq!(order.len(), config.head_dim);
        let rotated = (0..width).map(|lane| order.get(lane).copied()).collect();
        Self {
            heads: config.heads,
            kv_heads: config.kv_heads,
            width,
            head_dim: config.head_dim,
            rotated,
            rates: [config.rope.as_ref(), turns::second(config).flatten()].map(|rope| rates(rope, width)),
            second: (0..config.layers).map(|layer| turns::is_second(config, layer)).collect(),
        }
    }

    /// Query channels.
    pub fn q_width(&self) -> usize {
        self.heads * self.width
    }

    /// Key channels; as many as value channels.
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.width
    }

    /// The key head that a query head reads.
    pub fn kv_head_of(&self, head: usize) -> usize {
        head / (self.heads / self.kv_heads)
    }

    /// The model's row of a q or k matrix for each channel; `None` for padding.
    pub fn rotated_rows(&self, heads: usize) -> Vec<Option<usize>> {
        self.rows(heads, |lane| self.rotated[lane])
    }

    /// The model's row of the v matrix, or column of the o matrix, for each channel.
    pub fn plain_rows(&self, heads: usize) -> Vec<Option<usize>> {
        self.rows(heads, |lane| (lane < self.head_dim).then_some(lane))
    }

    fn rows(&self, heads: usize, dim: impl Fn(usize) -> Option<usize>) -> Vec<Option<usize>> {
        let place = |head: usize, lane: usize| dim(lane).map(|dim| head * self.head_dim + dim);
        (0..heads)
            .flat_map(|head| (0..self.width).map(move |lane| (head, lane)))
            .map(|(h, l)| place(h, l))
            .collect()
    }

    /// A q vector in the chip's channels.
    pub fn spread_q(&self, values: &[f32]) -> Vec<f32> {
        spread(&self.rotated_rows(self.heads), values)
    }

    /// A k vector in the chip's channels.
    pub fn spread_kv(&self, values: &[f32]) -> Vec<f32> {
        spread(&self.rotated_rows(self.kv_heads), values)
    }

    /// A v vector in the chip's channels.
    pub fn spread_values(&self, values: &[f32]) -> Vec<f32> {
        spread(&self.plain_rows(self.kv_heads), values)
    }

    /// Whether a layer's heads turn the other way.
    pub fn is_second(&self, layer: usize) -> bool {
        self.second[layer]
    }

    /// Cosine and sine of each pair of lanes of a head at a position, in the usual way or the other one.
    pub fn rotation(&self, second: bool, position: usize) -> Vec<(f64, f64)> {
        self.rates[usize::from(second)]
            .iter()
            .map(|rate| {
                let (sin, cos) = (rate * position as f64).sin_cos();
                (cos, sin)
            })
            .collect()
    }
}

/// Turning rate of each pair of a head's lanes; padding does not turn.
fn rates(rope: Option<&Rope>, width: usize) -> Vec<f64> {
    let rate = |rope: &Rope, pair| f64::from(rope.radians_per_position(pair));
    let turning = rope.into_iter().flat_map(|rope| (0..rope.dims / 2).map(move |pair| rate(rope, pair)));
    turning.chain(std::iter::repeat(0.0)).take(width / 2).collect()
}

fn spread(rows: &[Option<usize>], values: &[f32]) -> Vec<f32> {
    rows.iter().map(|row| row.map_or(0.0, |row| values[row])).collect()
}

/// A row of a matrix with its columns placed in channels, each multiplied by its scale.
pub fn place(matrix: &Matrix, row: Option<usize>, columns: &[Option<usize>], scales: &[f64]) -> Vec<f64> {
    let Some(row) = row else { return vec![0.0; columns.len()] };
    let values = matrix.row(row);
    let cell = |(column, scale): (&Option<usize>, &f64)| column.map_or(0.0, |c| f64::from(values[c]) * scale);
    columns.iter().zip(scales).map(cell).collect()
}

/// The first `count` channels, one to one.
pub fn straight(count: usize, width: usize) -> Vec<Option<usize>> {
    (0..width).map(|index| (index < count).then_some(index)).collect()
}
