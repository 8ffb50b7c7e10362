//! Numbers among the arguments, and what is said when they are none.

use std::fmt::Display;

/// Reads a whole number that is not below `least`.
pub fn whole<T>(least: u64) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: TryFrom<u64> + Clone + Send + Sync + 'static,
{
    move |text| read(text, least, u64::MAX, format_args!("from {least} on"))
}

/// Reads a whole number from `least` to `most`.
pub fn whole_between<T>(
    least: u64,
    most: u64,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: TryFrom<u64> + Clone + Send + Sync + 'static,
{
    move |text| read(text, least, most, format_args!("from {least} to {most}"))
}

fn read<T: TryFrom<u64>>(text: &str, least: u64, most: u64, range: impl Display) -> Result<T, String> {
    let found = text.parse().ok().filter(|found| (least..=most).contains(found));
    match found.and_then(|found| T::try_from(found).ok()) {
        Some(found) => Ok(found),
        // Only its size is wrong.
        None if found.is_some() => Err(format!("expected a smaller number, found {text}")),
        None => Err(format!("expected a whole number {range}, found {text:?}")),
    }
}

/// Reads a number.
pub fn decimal(text: &str) -> Result<f64, String> {
    let found = text.parse().ok().filter(|found: &f64| found.is_finite());
    found.ok_or_else(|| format!("expected a number, found {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_is_said() {
        assert_eq!(whole::<u32>(1)("7"), Ok(7));
        for wrong in ["0", "-1", "1.5", "many", ""] {
            assert_eq!(
                whole::<u32>(1)(wrong),
                Err(format!("expected a whole number from 1 on, found {wrong:?}"))
            );
        }
        assert_eq!(whole::<u32>(1)("4294967296"), Err("expected a smaller number, found 4294967296".into()));
        assert_eq!(
            whole_between::<u16>(0, 9)("10"),
            Err("expected a whole number from 0 to 9, found \"10\"".into())
        );
        assert_eq!(decimal("-0.5"), Ok(-0.5));
        assert_eq!(decimal("inf"), Err("expected a number, found \"inf\"".into()));
    }
}
