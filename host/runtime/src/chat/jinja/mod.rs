//! Jinja as Hugging Face's `transformers` sets it up for chat templates: its filters, functions and tags over minijinja.
//!
//! | in a template | here |
//! |---|---|
//! | `tojson` | `json.rs`: Python's `json.dumps`, without escapes for HTML |
//! | `{% generation %}`, `%` | `rewrite.rs`: said in words that minijinja has |
//! | `'%s' % x` | `percent.rs` |
//! | `x.rsplit('a')`, `d.copy()` | `methods.rs`: methods of Python's types |
//! | `strftime_now`, `raise_exception` | this file |

mod json;
mod methods;
mod percent;
mod rewrite;

use chrono::NaiveDateTime;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, Value};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What a template may use up.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Instructions.
    pub fuel: u64,
    /// Bytes that it writes, and bytes that its filters make.
    pub text_bytes: usize,
}

/// Why a text did not come about.
#[derive(Debug)]
pub enum Failure {
    /// The source is no Jinja.
    Syntax(String),
    /// The template raised an exception, or does with a value what cannot be done.
    Raised(String),
    /// It used up what [`Limits`] allow.
    Endless,
}

/// The text that `source` makes of the variables at the time `now`.
///
/// # Errors
/// When the source is no Jinja, raises an exception, or goes beyond the limits.
pub fn render(source: &str, variables: Value, now: NaiveDateTime, limits: Limits) -> Result<String, Failure> {
    let source = rewrite::rewrite(source);
    let environment = environment(now, limits);
    let template =
        environment.template_from_str(&source).map_err(|error| Failure::Syntax(error.to_string()))?;
    let mut text = Bounded { bytes: Vec::new(), is_full: false, max: limits.text_bytes };
    match template.render_captured_to(variables, &mut text) {
        Ok(_) => Ok(String::from_utf8_lossy(&text.bytes).into_owned()),
        Err(_) if text.is_full => Err(Failure::Endless),
        Err(error) if error.kind() == ErrorKind::OutOfFuel => Err(Failure::Endless),
        Err(error) => Err(Failure::Raised(error.to_string())),
    }
}

fn environment(now: NaiveDateTime, limits: Limits) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(limits.fuel));
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("the usual delimiters differ from one another"));
    environment.set_unknown_method_callback(methods::call);
    let made = Budget::new(limits.text_bytes);
    let counted = made.clone();
    environment.add_filter("tojson", move |value: &Value, arguments: Rest<ValueOrKwargs>| {
        let text = json::dumps(value, &arguments.into_values())?;
        counted.charge(text.len()).map(|()| text)
    });
    environment.add_function(rewrite::PERCENT, move |state: &State, left: Value, right: Value| {
        let found = percent::percent(state, &left, &right)?;
        made.charge(found.as_str().unwrap_or_default().len()).map(|()| found)
    });
    environment.add_function("raise_exception", |reason: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, reason))
    });
    environment.add_function("strftime_now", move |form: String| strftime(now, &form));
    builtins(&mut environment);
    environment
}

/// Filters, tests and functions of Jinja2 itself that minijinja lacks or takes otherwise.
fn builtins(environment: &mut Environment) {
    environment.set_formatter(|output, state, value| match f64::try_from(value.clone()) {
        Ok(number) if value.is_number() && !value.is_integer() && number.is_finite() => {
            Ok(write!(output, "{}", json::repr(number))?)
        }
        _ => minijinja::escape_formatter(output, state, value),
    });
    environment.add_filter("trim", |text: String, characters: Option<String>| {
        let is_stripped =
            |c: char| characters.as_ref().map_or_else(|| methods::is_space(c), |all| all.contains(c));
        text.trim_matches(is_stripped).to_owned()
    });
    environment.add_filter("center", methods::center);
    environment.add_filter("forceescape", minijinja::filters::escape);
    environment.add_test("iterable", |value: &Value| methods::is_iterable(value));
    environment.add_test("sequence", |value: &Value| methods::is_iterable(value));
    environment.add_test("callable", |value: &Value| value.kind() == ValueKind::Plain);
    environment
        .add_function("cycler", |items: Rest<Value>| minijinja_contrib::globals::cycler(items.to_vec()));
    environment.add_function("joiner", minijinja_contrib::globals::joiner);
}

fn strftime(now: NaiveDateTime, form: &str) -> Result<String, Error> {
    let mut text = String::new();
    let unknown =
        || Error::new(ErrorKind::InvalidOperation, format!("strftime_now cannot write the format {form:?}"));
    // Python's time has microseconds and no zone.
    let form = form.replace("%f", "%6f").replace("%Z", "").replace("%z", "");
    write!(text, "{}", now.format(&form)).map_err(|_| unknown())?;
    Ok(text)
}

/// Bytes that filters may still make.
#[derive(Clone)]
struct Budget(Arc<AtomicUsize>);

impl Budget {
    fn new(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }

    fn charge(&self, bytes: usize) -> Result<(), Error> {
        let rest = self.0.fetch_update(Relaxed, Relaxed, |rest| rest.checked_sub(bytes));
        rest.map(|_| ()).map_err(|_| Error::from(ErrorKind::OutOfFuel))
    }
}

/// Text that stops growing.
struct Bounded {
    bytes: Vec<u8>,
    is_full: bool,
    max: usize,
}

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.is_full = self.bytes.len() + bytes.len() > self.max;
        if self.is_full {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
