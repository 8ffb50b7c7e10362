//! What a user is told when values were too large for their formats.

/// One sentence about `rows` rows that saturated, or nothing if none did.
pub fn warning(rows: u64) -> Option<String> {
    let noun = if rows == 1 { "row" } else { "rows" };
    (rows > 0).then(|| {
        format!(
            "values were cut off at the limits of their formats in {rows} {noun} (the chip's counter `Saturations`); \
             `lpu eval MODEL --text FILE` measures whether the text suffers"
        )
    })
}
