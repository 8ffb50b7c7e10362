//! The walk over a Rust-HDL circuit: collects each block's nets and instances, children before parents.

use super::module::render;
use crate::kind::KIND_MARK;
use rust_hdl::prelude::*;
use rust_hdl_core_paths::*;
use std::collections::BTreeMap;
use std::fmt;

/// Paths into Rust-HDL that its prelude leaves out.
mod rust_hdl_core_paths {
    pub use rust_hdl::core::check_error::{CheckError, PathedNameList};
    pub use rust_hdl::core::check_logic_loops::check_logic_loops;
    pub use rust_hdl::core::check_write_inputs::check_inputs_not_written;
}

/// A port of an emitted module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    pub name: String,
    pub width_bits: usize,
}

impl Port {
    pub fn new(name: impl Into<String>, width_bits: usize) -> Self {
        Self { name: name.into(), width_bits }
    }
}

/// A complete Verilog text and the ports of its top module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Design {
    pub verilog: String,
    pub top: String,
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
}

/// Why a block cannot be emitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmitError {
    /// Signals that nothing drives, as `path.signal`.
    Open(Vec<String>),
    /// Local signals or outputs read before they are written.
    Loops(Vec<String>),
    /// A kernel assigns to an input of its own block.
    WrittenInputs(Vec<String>),
    /// A name in a kernel that is no signal of the block.
    Undeclared { module: String, name: String },
    /// An index or number that is not known while emitting.
    Index(String),
    /// A number that its place cannot hold.
    Literal { value: i128, width: usize },
    /// A slice of something other than a signal, or outside of it.
    Slice(String),
    /// An assignment whose two sides differ in width.
    Width { target: String, expected: usize, found: usize },
    /// `link` or `join` in a kernel.
    Link(String),
    /// An `InOut` signal or a black box.
    Unsupported(String),
}

impl fmt::Display for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(names) => {
                write!(f, "nothing drives {}: assign each in every kernel path", names.join(", "))
            }
            Self::Loops(names) => {
                write!(f, "read before written: {}: order the kernel's lines", names.join(", "))
            }
            Self::WrittenInputs(names) => {
                write!(f, "inputs written by their own block: {}", names.join(", "))
            }
            Self::Undeclared { module, name } => write!(
                f,
                "`{name}` in the kernel of `{module}` is no signal: Rust constants do not reach the Verilog, \
                 put the value in a `Constant` field"
            ),
            Self::Index(text) => write!(
                f,
                "`{text}` is not known while emitting: use loop indices, literals and `Constant` fields in indices \
                 (a const generic may only be a loop bound)"
            ),
            Self::Literal { value, width } => write!(f, "{value} does not fit in {width} bits"),
            Self::Slice(text) => write!(f, "cannot slice `{text}`: slice a signal, within its width"),
            Self::Width { target, expected, found } => {
                write!(f, "`{target}` has {expected} bits and is assigned {found}: use bit_cast or get_bits")
            }
            Self::Link(module) => write!(f, "`{module}` uses link or join: assign the signals one by one"),
            Self::Unsupported(what) => write!(f, "{what} cannot be emitted: wrap it in a primitive"),
        }
    }
}

impl std::error::Error for EmitError {}

#[derive(Clone, Debug)]
pub(super) enum NetKind {
    Input,
    Output,
    Local,
    Constant(VerilogLiteral),
}

/// A signal or constant of a block.
#[derive(Clone, Debug)]
pub(super) struct Net {
    pub name: String,
    pub width: usize,
    pub signed: bool,
    pub kind: NetKind,
}

/// A block inside another.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    pub name: String,
    pub module: String,
    /// Inputs and outputs, by their names inside the child.
    pub ports: Vec<Net>,
    /// A flip-flop, written as a line of `always_ff` with this power-up value.
    pub flip_flop_initial: Option<String>,
}

/// One block while it is being collected.
#[derive(Debug, Default)]
pub(super) struct Scope {
    name: String,
    kind: Option<String>,
    namespace: Vec<String>,
    pub body: Verilog,
    pub own: Vec<Net>,
    pub instances: Vec<Instance>,
    /// Enumeration labels: name, code, width.
    pub labels: Vec<(String, usize, usize)>,
    nets: BTreeMap<String, Net>,
    shown: BTreeMap<String, String>,
}

impl Scope {
    /// The wanted module name: the kind, else the instance name without its index.
    pub fn kind_name(&self) -> String {
        let instance = self.name.split('$').next().unwrap_or(&self.name);
        self.kind.clone().unwrap_or_else(|| instance.to_owned())
    }

    pub fn net(&self, name: &str) -> Result<&Net, EmitError> {
        let undeclared = || EmitError::Undeclared { module: self.kind_name(), name: name.to_owned() };
        self.nets.get(name).ok_or_else(undeclared)
    }

    pub fn label_width(&self, name: &str) -> Option<usize> {
        self.labels.iter().find(|(label, ..)| label == name).map(|(_, _, width)| *width)
    }

    /// Name of a net in the text: a flip-flop's output is shown by the flip-flop's own name.
    pub fn shown(&self, name: &str) -> String {
        self.shown.get(name).cloned().unwrap_or_else(|| name.to_owned())
    }

    fn add_net(&mut self, net: Net) {
        self.nets.insert(net.name.clone(), net.clone());
        self.own.push(net);
    }

    fn add_instance(&mut self, instance: Instance) {
        for port in &instance.ports {
            let name = format!("{}${}", instance.name, port.name);
            if instance.flip_flop_initial.is_some() && port.name == "q" {
                self.shown.insert(name.clone(), instance.name.clone());
            }
            self.nets.insert(name.clone(), Net { name, ..port.clone() });
        }
        self.instances.push(instance);
    }

    fn add_labels(&mut self, descriptor: &TypeDescriptor, width: usize) {
        if let TypeKind::Enum(labels) = &descriptor.kind {
            for (code, label) in labels.iter().enumerate() {
                let entry = (label.replace("::", "$"), code, width);
                if !self.labels.contains(&entry) {
                    self.labels.push(entry);
                }
            }
        }
    }

    fn ports(&self) -> Vec<Net> {
        let is_port = |net: &&Net| matches!(net.kind, NetKind::Input | NetKind::Output);
        self.own.iter().filter(is_port).cloned().collect()
    }

    /// The power-up value, when this block is Rust-HDL's `DFF`.
    fn flip_flop_initial(&self) -> Option<String> {
        let Verilog::Custom(code) = &self.body else { return None };
        let names: Vec<&str> = self.own.iter().map(|net| net.name.as_str()).collect();
        let (_, after) = code.split_once("q = ")?;
        if names != ["d", "q", "clock"] || !code.contains("q <= d;") {
            return None;
        }
        // Rust-HDL gives an enumeration 64 bits there.
        let (_, digits) = after.split(';').next()?.split_once('\'')?;
        Some(format!("{}'{digits}", self.own[1].width))
    }
}

#[derive(Default)]
struct Walk {
    stack: Vec<Scope>,
    finished: Option<Scope>,
    top: String,
    texts: Texts,
    open: Vec<String>,
    error: Option<EmitError>,
}

/// Module texts so far, each body once.
#[derive(Default)]
struct Texts {
    in_order: Vec<String>,
    name_of_body: BTreeMap<(String, String), String>,
    uses_of_name: BTreeMap<String, usize>,
    cores: Vec<String>,
}

impl Texts {
    /// The module name for a body, new or already there. A second body of one kind gets the suffix `_2`, and so on.
    fn intern(&mut self, wanted: &str, header: &str, body: &str) -> String {
        let text = format!("{header}{body}");
        if let Some(name) = self.name_of_body.get(&(wanted.to_owned(), text.clone())) {
            return name.clone();
        }
        let uses = self.uses_of_name.entry(wanted.to_owned()).or_default();
        *uses += 1;
        let name = if *uses == 1 { wanted.to_owned() } else { format!("{wanted}_{uses}") };
        self.in_order.push(format!("module {name} {text}"));
        self.name_of_body.insert((wanted.to_owned(), text), name.clone());
        name
    }
}

impl Walk {
    fn finish(&mut self, scope: Scope) -> Result<(), EmitError> {
        let is_top = self.stack.is_empty();
        let flip_flop_initial = if is_top { None } else { scope.flip_flop_initial() };
        let mut module = String::new();
        if flip_flop_initial.is_none() {
            let (header, body) = render(&scope)?;
            let wanted = if is_top { self.top.clone() } else { scope.kind_name() };
            if let Verilog::Wrapper(wrapper) = &scope.body
                && !self.texts.cores.contains(&wrapper.cores)
            {
                self.texts.cores.push(wrapper.cores.clone());
            }
            module = self.texts.intern(&wanted, &header, &body);
        }
        match self.stack.last_mut() {
            Some(parent) => {
                parent.labels.extend(
                    scope.labels.iter().filter(|l| !parent.labels.contains(l)).cloned().collect::<Vec<_>>(),
                );
                parent.add_instance(Instance {
                    name: scope.name.clone(),
                    module,
                    ports: scope.ports(),
                    flip_flop_initial,
                });
            }
            None => self.finished = Some(scope),
        }
        Ok(())
    }
}

impl Probe for Walk {
    fn visit_start_scope(&mut self, name: &str, node: &dyn Block) {
        self.stack.push(Scope { name: name.to_owned(), body: node.hdl(), ..Scope::default() });
    }

    fn visit_start_namespace(&mut self, name: &str, _node: &dyn Block) {
        if let Some(scope) = self.stack.last_mut() {
            if let Some(kind) = name.strip_prefix(KIND_MARK) {
                scope.kind = Some(kind.to_owned());
            }
            scope.namespace.push(name.to_owned());
        }
    }

    fn visit_end_namespace(&mut self, _name: &str, _node: &dyn Block) {
        if let Some(scope) = self.stack.last_mut() {
            scope.namespace.pop();
        }
    }

    fn visit_atom(&mut self, name: &str, signal: &dyn Atom) {
        let depth = self.stack.len();
        let path = self.stack.iter().map(|scope| scope.name.as_str()).collect::<Vec<_>>().join(".");
        let Some(scope) = self.stack.last_mut() else { return };
        let name = scope.namespace.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join("$");
        let kind = match signal.kind() {
            AtomKind::InputParameter => NetKind::Input,
            AtomKind::OutputParameter => NetKind::Output,
            AtomKind::LocalSignal => NetKind::Local,
            AtomKind::Constant => NetKind::Constant(signal.verilog()),
            _ => {
                self.error.get_or_insert(EmitError::Unsupported(format!("the signal {path}.{name}")));
                return;
            }
        };
        let from_outside = depth == 1 && matches!(kind, NetKind::Input);
        if !signal.connected() && !from_outside {
            self.open.push(format!("{path}.{name}"));
        }
        scope.add_labels(&signal.descriptor(), signal.bits());
        let signed = matches!(signal.descriptor().kind, TypeKind::Signed(_));
        scope.add_net(Net { name, width: signal.bits(), signed, kind });
    }

    fn visit_end_scope(&mut self, _name: &str, _node: &dyn Block) {
        let Some(scope) = self.stack.pop() else { return };
        if self.error.is_none()
            && let Err(error) = self.finish(scope)
        {
            self.error = Some(error);
        }
    }
}

/// Emits `block` as the module `top`.
///
/// # Errors
/// Says which signal is open, read before it is written, or has no meaning in Verilog.
pub fn emit<B: Block>(block: &mut B, top: &str) -> Result<Design, EmitError> {
    block.connect_all();
    let mut walk = Walk { top: top.to_owned(), ..Walk::default() };
    block.accept(top, &mut walk);
    if !walk.open.is_empty() {
        return Err(EmitError::Open(walk.open));
    }
    if let Some(error) = walk.error {
        return Err(error);
    }
    check_logic_loops(block).map_err(check_error)?;
    check_inputs_not_written(block).map_err(check_error)?;
    let scope = walk.finished.ok_or_else(|| EmitError::Unsupported("a block without a scope".into()))?;
    let ports = |want_input: bool| {
        let side = move |net: &Net| matches!(net.kind, NetKind::Input) == want_input;
        scope.ports().into_iter().filter(side).map(|net| Port::new(net.name, net.width)).collect::<Vec<_>>()
    };
    let texts: Vec<String> = walk.texts.cores.into_iter().chain(walk.texts.in_order).collect();
    Ok(Design { verilog: texts.join("\n"), top: top.to_owned(), inputs: ports(true), outputs: ports(false) })
}

fn check_error(error: CheckError) -> EmitError {
    let names =
        |list: PathedNameList| list.into_iter().map(|at| format!("{}.{}", at.path, at.name)).collect();
    match error {
        CheckError::OpenSignal(map) => {
            let mut names: Vec<String> =
                map.into_values().map(|at| format!("{}.{}", at.path, at.name)).collect();
            names.sort();
            EmitError::Open(names)
        }
        CheckError::LogicLoops(list) => EmitError::Loops(names(list)),
        CheckError::WritesToInputs(list) => EmitError::WrittenInputs(names(list)),
    }
}
