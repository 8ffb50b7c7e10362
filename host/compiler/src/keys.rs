//! How far keys reach at all positions: they meet every one sooner or later, turned.

use super::channels::Channels;

/// Positions between two rotations that are tried.
const ROTATION_STEP: usize = 4;

/// Middle and half width of a layer's keys at any position, per channel. What a pair of lanes reaches is a matter of the corners of
/// its keys alone.
pub fn turned_keys(channels: &Channels, context: usize, layer: usize, keys: &[Vec<f32>]) -> Vec<(f64, f64)> {
    let second = channels.is_second(layer);
    let width = keys.first().map_or(0, Vec::len);
    let corners: Vec<Vec<[f64; 2]>> = (0..width / 2)
        .map(|pair| {
            corners(keys.iter().map(|key| [key[2 * pair], key[2 * pair + 1]].map(f64::from)).collect())
        })
        .collect();
    let mut ends = vec![(f64::INFINITY, f64::NEG_INFINITY); width];
    for position in (0..context).step_by(ROTATION_STEP) {
        let turns = channels.rotation(second, position);
        for (pair, (ends, corners)) in ends.chunks_exact_mut(2).zip(&corners).enumerate() {
            let (cos, sin) = turns[pair % turns.len()];
            for &[x, y] in corners {
                widen(&mut ends[0], x * cos - y * sin);
                widen(&mut ends[1], x * sin + y * cos);
            }
        }
    }
    ends.iter().map(|(low, high)| ((low + high) / 2.0, (high - low) / 2.0)).collect()
}

/// The corners of the convex hull of points: nothing linear is larger elsewhere among them.
fn corners(mut points: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    points.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    let turns_left = |[a, b]: [[f64; 2]; 2], c: [f64; 2]| {
        (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) > 0.0
    };
    let half = |points: &mut dyn Iterator<Item = [f64; 2]>| {
        let mut hull: Vec<[f64; 2]> = Vec::new();
        for point in points {
            while let [.., a, b] = hull[..]
                && !turns_left([a, b], point)
            {
                hull.pop();
            }
            hull.push(point);
        }
        hull
    };
    let mut hull = half(&mut points.iter().copied());
    hull.extend(half(&mut points.iter().rev().copied()));
    hull
}

fn widen(ends: &mut (f64, f64), value: f64) {
    *ends = (ends.0.min(value), ends.1.max(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_linear_is_larger_than_at_a_corner() {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 16)
        };
        let points: Vec<[f64; 2]> = (0..200).map(|_| [next(), next()]).collect();
        let corners = corners(points.clone());
        assert!(corners.len() < 60, "{}", corners.len());
        for degree in 0..360 {
            let (sin, cos) = f64::from(degree).to_radians().sin_cos();
            let largest = |points: &[[f64; 2]]| {
                points.iter().map(|[x, y]| x * cos + y * sin).fold(f64::NEG_INFINITY, f64::max)
            };
            assert_eq!(largest(&corners), largest(&points));
        }
    }
}
