//! Python's `%`: of strings it formats, of numbers it is the remainder.

use minijinja::formatting::{FormatStyle, format};
use minijinja::value::Tuple;
use minijinja::{Error, State, Value, context};

/// The value of `left % right`.
pub fn percent(state: &State, left: &Value, right: &Value) -> Result<Value, Error> {
    let Some(form) = left.as_str() else {
        return state.env().compile_expression("left % right")?.eval(context! { left, right });
    };
    let arguments = match right.downcast_object_ref::<Tuple>() {
        Some(tuple) => tuple.to_vec(),
        None => vec![right.clone()],
    };
    let (form, arguments) = as_minijinja_has_it(form, arguments);
    format(FormatStyle::Printf, &form, &arguments).map(Value::from)
}

/// minijinja knows neither `%r` nor whole numbers made of fractions: both become texts that `%s` and `%d` take.
fn as_minijinja_has_it(form: &str, mut arguments: Vec<Value>) -> (String, Vec<Value>) {
    let (mut text, mut rest, mut index) = (String::new(), form, 0);
    while let Some(at) = rest.find('%') {
        let length = rest[at + 1..]
            .find(|c: char| c == '%' || c.is_alphabetic())
            .map_or(rest.len() - at, |end| end + 1);
        let is_named = rest[at + 1..].starts_with('(');
        text.push_str(&rest[..at + length]);
        rest = &rest[at + length..];
        let Some(kind) = rest.chars().next().filter(|_| !is_named) else { continue };
        rest = &rest[kind.len_utf8()..];
        if kind == '%' {
            text.push(kind);
            continue;
        }
        let argument = arguments.get_mut(index);
        index += 1;
        text.push(match (kind, argument) {
            ('r' | 'a', Some(argument)) => {
                *argument = Value::from(repr(argument));
                's'
            }
            ('d' | 'i' | 'u', Some(argument)) if argument.is_number() && !argument.is_integer() => {
                *argument = f64::try_from(argument.clone())
                    .map_or(Value::from(0), |number| Value::from(number as i64));
                'd'
            }
            (kind, _) => kind,
        });
    }
    text.push_str(rest);
    (text, arguments)
}

/// A value as it stands in a list.
fn repr(value: &Value) -> String {
    let list = Value::from(vec![value.clone()]).to_string();
    list.strip_prefix('[').and_then(|list| list.strip_suffix(']')).unwrap_or(&list).to_owned()
}
