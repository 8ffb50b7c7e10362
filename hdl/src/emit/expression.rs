//! Kernel expressions to Verilog, with the widths that Verilog needs said and Rust leaves to its types.

use super::error::EmitError;
use super::names::{Loops, lookup, resolve};
use super::scope::{Net, NetKind, Scope};
use rust_hdl::prelude::VerilogLiteral;
use rust_hdl::prelude::ast::{VerilogExpression, VerilogOp, VerilogOpUnary};

/// Verilog text of an expression and what its surroundings need to know of it.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub text: String,
    /// Bits of the value; a bare number has none until it meets a signal.
    pub width: Option<usize>,
    /// Value, where it is known while emitting.
    pub value: Option<i128>,
    /// Names, literals and slices need no parentheses.
    is_atom: bool,
    /// The text is the name of a signal, so it may be sliced.
    is_name: bool,
}

impl Text {
    fn compound(text: String, width: Option<usize>) -> Self {
        Self { text, width, value: None, is_atom: false, is_name: false }
    }

    fn number(value: i128, width: Option<usize>) -> Result<Self, EmitError> {
        let text = match width {
            Some(bits) if bits < 127 && (value < 0 || value >> bits != 0) => {
                return Err(EmitError::Literal { value, width: bits });
            }
            Some(bits) => format!("{bits}'h{value:x}"),
            None => value.to_string(),
        };
        Ok(Self { text, width, value: Some(value), is_atom: true, is_name: false })
    }

    /// The text, in parentheses unless it binds tighter than any operator.
    fn operand(&self) -> String {
        if self.is_atom { self.text.clone() } else { format!("({})", self.text) }
    }
}

/// Number behind a Rust-HDL literal, which shows it only as text; `None` above 127 bits.
pub(super) fn literal_value(literal: &VerilogLiteral) -> Option<i128> {
    let text = format!("{literal:x}");
    i128::from_str_radix(text.split("'h").nth(1)?, 16).ok()
}

/// Renders expressions in one module and notes which nets they read.
pub(super) struct Renderer<'a> {
    pub scope: &'a Scope,
    pub loops: Loops,
    pub reads: Vec<String>,
}

impl Renderer<'_> {
    /// Text of `expression`; `want` is the width that a bare number takes on.
    pub fn render(&mut self, expression: &VerilogExpression, want: Option<usize>) -> Result<Text, EmitError> {
        use VerilogExpression as E;
        match expression {
            E::Signal(raw) => self.signal(raw, want),
            E::Literal(literal) => {
                let value = literal_value(literal).ok_or_else(|| EmitError::Index(format!("{literal:x}")))?;
                Text::number(value, want)
            }
            E::Cast(inner, bits) => self.cast(inner, *bits),
            E::Signed(inner) => self.function("$signed", inner),
            E::Unsigned(inner) => self.function("$unsigned", inner),
            E::Paren(inner) => self.render(inner, want),
            E::Binary(left, operator, right) => self.binary(left, operator, right, want),
            E::Unary(operator, inner) => self.unary(operator, inner, want),
            E::Index(base, index) => self.slice(base, 1, index),
            E::Slice(base, width, offset) => self.slice(base, *width, offset),
            E::IndexReplace(base, index, bit) => self.replace_bit(base, index, bit),
        }
    }

    fn signal(&mut self, raw: &str, want: Option<usize>) -> Result<Text, EmitError> {
        if let Some(value) = lookup(raw, &self.loops) {
            return Text::number(value, want);
        }
        let name = resolve(raw, &self.loops)?;
        if let Some(width) = self.scope.label_width(&name) {
            self.reads.push(name.clone());
            return Ok(Text { text: name, width: Some(width), value: None, is_atom: true, is_name: false });
        }
        let net = self.scope.net(&name)?;
        self.reads.push(name.clone());
        let value = match &net.kind {
            NetKind::Constant(value) => literal_value(value),
            _ => None,
        };
        Ok(Text {
            text: self.scope.shown(&name),
            width: Some(net.width),
            value,
            is_atom: true,
            is_name: true,
        })
    }

    fn cast(&mut self, inner: &VerilogExpression, bits: usize) -> Result<Text, EmitError> {
        let inner = self.render(inner, None)?;
        match inner.width {
            None => Text::number(inner.value.unwrap_or_default(), Some(bits)),
            Some(width) if width == bits => Ok(inner),
            Some(width) if width < bits => {
                let text = format!("{{{}'h0, {}}}", bits - width, inner.text);
                Ok(Text { text, width: Some(bits), value: None, is_atom: true, is_name: false })
            }
            Some(_) if inner.is_name => Ok(cut(&inner.text, bits, 0)),
            Some(_) => {
                Ok(Text { is_atom: true, ..Text::compound(format!("{bits}'({})", inner.text), Some(bits)) })
            }
        }
    }

    fn function(&mut self, name: &str, inner: &VerilogExpression) -> Result<Text, EmitError> {
        let inner = self.render(inner, None)?;
        Ok(Text { is_atom: true, ..Text::compound(format!("{name}({})", inner.text), inner.width) })
    }

    fn binary(
        &mut self,
        left: &VerilogExpression,
        operator: &VerilogOp,
        right: &VerilogExpression,
        want: Option<usize>,
    ) -> Result<Text, EmitError> {
        let is_shift = matches!(operator, VerilogOp::Shl | VerilogOp::Shr);
        let mut l = self.render(left, None)?;
        let mut r = self.render(right, None)?;
        // Two numbers that no signal has sized are computed here: offsets such as `i * 18`.
        if r.width.is_none() || l.width.is_none() {
            if let (Some(a), Some(b)) = (l.value, r.value)
                && let Some(value) = fold(a, operator, b)
            {
                return Text::number(value, want);
            }
            if !is_shift && r.width.is_none() {
                r = self.render(right, l.width)?;
            } else if l.width.is_none() {
                l = self.render(left, if is_shift { want } else { r.width })?;
            }
        }
        let compares = matches!(
            operator,
            VerilogOp::Eq | VerilogOp::Ne | VerilogOp::Lt | VerilogOp::Le | VerilogOp::Gt | VerilogOp::Ge
        );
        let is_logical = matches!(operator, VerilogOp::LogicalAnd | VerilogOp::LogicalOr);
        let width = if compares || is_logical { Some(1) } else { l.width };
        Ok(Text::compound(format!("{} {} {}", l.operand(), symbol(operator), r.operand()), width))
    }

    fn unary(
        &mut self,
        operator: &VerilogOpUnary,
        inner: &VerilogExpression,
        want: Option<usize>,
    ) -> Result<Text, EmitError> {
        let inner = self.render(inner, want)?;
        let (sign, width) = match operator {
            VerilogOpUnary::Not if inner.width == Some(1) => ("!", Some(1)),
            VerilogOpUnary::Not => ("~", inner.width),
            VerilogOpUnary::Neg => ("-", inner.width),
            VerilogOpUnary::All => ("&", Some(1)),
            VerilogOpUnary::Any => ("|", Some(1)),
            VerilogOpUnary::Xor => ("^", Some(1)),
        };
        Ok(Text::compound(format!("{sign}{}", inner.operand()), width))
    }

    fn slice(
        &mut self,
        base: &VerilogExpression,
        width: usize,
        offset: &VerilogExpression,
    ) -> Result<Text, EmitError> {
        let base = self.render(base, None)?;
        let offset = self.render(offset, None)?;
        if !base.is_name {
            return Err(EmitError::Slice(base.text));
        }
        match (base.width, offset.value) {
            (Some(bits), Some(0)) if bits == width => Ok(base),
            (Some(bits), Some(at)) => {
                let low = usize::try_from(at).map_err(|_| EmitError::Slice(base.text.clone()))?;
                if low + width > bits {
                    return Err(EmitError::Slice(format!("{}[{}:{low}]", base.text, low + width - 1)));
                }
                Ok(cut(&base.text, width, low))
            }
            _ if width == 1 => {
                let text = format!("{}[{}]", base.text, offset.text);
                Ok(Text { is_atom: true, ..Text::compound(text, Some(1)) })
            }
            _ => {
                let text = format!("{}[{} +: {width}]", base.text, offset.text);
                Ok(Text { is_atom: true, ..Text::compound(text, Some(width)) })
            }
        }
    }

    fn replace_bit(
        &mut self,
        base: &VerilogExpression,
        index: &VerilogExpression,
        bit: &VerilogExpression,
    ) -> Result<Text, EmitError> {
        let base = self.render(base, None)?;
        let index = self.render(index, None)?;
        let bit = self.render(bit, Some(1))?;
        let bits = base.width.unwrap_or(1);
        let (word, at) = (base.operand(), index.operand());
        let text = format!("({word} & ~({bits}'h1 << {at})) | ({bits}'({}) << {at})", bit.text);
        Ok(Text::compound(text, Some(bits)))
    }
}

/// `width` bits of a net from bit `low` up.
fn cut(name: &str, width: usize, low: usize) -> Text {
    let text =
        if width == 1 { format!("{name}[{low}]") } else { format!("{name}[{}:{low}]", low + width - 1) };
    Text { text, width: Some(width), value: None, is_atom: true, is_name: false }
}

fn fold(a: i128, operator: &VerilogOp, b: i128) -> Option<i128> {
    match operator {
        VerilogOp::Add => a.checked_add(b),
        VerilogOp::Sub => a.checked_sub(b),
        VerilogOp::Mul => a.checked_mul(b),
        _ => None,
    }
}

fn symbol(operator: &VerilogOp) -> &'static str {
    match operator {
        VerilogOp::Add => "+",
        VerilogOp::Sub => "-",
        VerilogOp::Mul => "*",
        VerilogOp::LogicalAnd => "&&",
        VerilogOp::LogicalOr => "||",
        VerilogOp::BitXor => "^",
        VerilogOp::BitAnd => "&",
        VerilogOp::BitOr => "|",
        VerilogOp::Shl => "<<",
        VerilogOp::Shr => ">>",
        VerilogOp::Eq => "==",
        VerilogOp::Lt => "<",
        VerilogOp::Le => "<=",
        VerilogOp::Ne => "!=",
        VerilogOp::Ge => ">=",
        VerilogOp::Gt => ">",
    }
}

/// Declared range of a net, such as `signed [17:0]`; empty for a single bit.
pub(super) fn range(net: &Net) -> String {
    let sign = if net.signed { " signed" } else { "" };
    if net.width == 1 { sign.to_owned() } else { format!("{sign} [{}:0]", net.width - 1) }
}
