//! What a user is told when values were too large for their formats.

/// One sentence about `rows` rows that saturated, or nothing if none did.
pub fn warning(rows: u64) -> Option<String> {
    let noun = if rows == 1 { "row" } else { "rows" };
    (rows > 0).then(|| {
        format!(
            "values were cut off at the limits of their fixed-point formats in {rows} {noun} (the chip's counter `Saturations`: \
             vector registers, activations, KV codes, sums), so the text may be worse than the model's; \
             `lpu eval MODEL --text FILE` measures by how much"
        )
    })
}
