//! Names and index arithmetic of a kernel: loop indices are replaced, `lane[i+1]$out` becomes `lane$4$out`.

use super::error::EmitError;

/// The loop indices in force, outermost first.
pub(super) type Loops = Vec<(String, i128)>;

/// The Verilog name of a signal as the kernel macro spelled it.
pub(super) fn resolve(raw: &str, loops: &Loops) -> Result<String, EmitError> {
    let mut name = raw.trim_start_matches('.').replace("::", "$").replace('.', "$");
    if let Some(stripped) = name.strip_suffix("$next") {
        name = stripped.to_owned();
    }
    while let Some(open) = name.find('[') {
        let close = name[open..].find(']').map(|at| at + open).ok_or_else(|| EmitError::Index(raw.into()))?;
        let index = evaluate(&name[open + 1..close], loops).ok_or_else(|| EmitError::Index(raw.into()))?;
        name.replace_range(open..=close, &format!("${index}"));
    }
    Ok(name)
}

/// The value of an index expression over loop indices and integers, if it has one.
fn evaluate(text: &str, loops: &Loops) -> Option<i128> {
    let mut parser = Parser { rest: text, loops };
    let value = parser.sum()?;
    parser.rest.is_empty().then_some(value)
}

struct Parser<'a> {
    rest: &'a str,
    loops: &'a Loops,
}

impl Parser<'_> {
    fn take(&mut self, options: &[char]) -> Option<char> {
        let c = self.rest.chars().next().filter(|c| options.contains(c))?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn sum(&mut self) -> Option<i128> {
        let mut value = self.product()?;
        while let Some(operator) = self.take(&['+', '-']) {
            let right = self.product()?;
            value = if operator == '+' { value.checked_add(right)? } else { value.checked_sub(right)? };
        }
        Some(value)
    }

    fn product(&mut self) -> Option<i128> {
        let mut value = self.factor()?;
        while let Some(operator) = self.take(&['*', '/', '%']) {
            let right = self.factor()?;
            value = match operator {
                '*' => value.checked_mul(right)?,
                '/' => value.checked_div(right)?,
                _ => value.checked_rem(right)?,
            };
        }
        Some(value)
    }

    fn factor(&mut self) -> Option<i128> {
        if self.take(&['(']).is_some() {
            let value = self.sum()?;
            return self.take(&[')']).map(|_| value);
        }
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        let digits = word.strip_suffix("usize").unwrap_or(word).trim_end_matches('_');
        digits.parse().ok().or_else(|| lookup(word, self.loops))
    }
}

/// The value of a loop index; an inner loop hides an outer one of the same name.
pub(super) fn lookup(name: &str, loops: &Loops) -> Option<i128> {
    loops.iter().rev().find(|(index, _)| index == name).map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_evaluated() {
        let loops = vec![("i".to_owned(), 3), ("j".to_owned(), 2)];
        assert_eq!(resolve("lane[i+1]$out$next", &loops), Ok("lane$4$out".into()));
        assert_eq!(resolve("row[i]$cell[2*(j-1)]$d", &loops), Ok("row$3$cell$2$d".into()));
        assert_eq!(resolve("lane[N-1]$out", &loops), Err(EmitError::Index("lane[N-1]$out".into())));
    }
}
