//! The walk over a Rust-HDL circuit: collects each block's nets and children, and makes its module, children before parents.

use super::design::{Design, Module, Port};
use super::error::EmitError;
use super::module::render;
use super::scope::{Child, Net, NetKind, Scope};
use crate::dialect::{Mark, Role};
use rust_hdl::core::check_error::{CheckError, PathedNameList};
use rust_hdl::core::check_logic_loops::check_logic_loops;
use rust_hdl::core::check_write_inputs::check_inputs_not_written;
use rust_hdl::prelude::*;
use std::collections::BTreeMap;

#[derive(Default)]
struct Walk {
    stack: Vec<Scope>,
    finished: Option<Scope>,
    top: String,
    library: Library,
    open: Vec<String>,
    error: Option<EmitError>,
}

/// Modules so far, each body once.
#[derive(Default)]
struct Library {
    modules: Vec<Module>,
    /// Place of a module by wanted name and text.
    known: BTreeMap<(String, String), usize>,
    uses_of_name: BTreeMap<String, usize>,
}

impl Library {
    /// The place of a module, new or already there. A second body of one kind gets the suffix `_2`, and so on.
    fn intern(&mut self, module: Module) -> usize {
        let key = (module.name.clone(), format!("{}{}", module.ports, module.body));
        if let Some(at) = self.known.get(&key) {
            return *at;
        }
        let uses = self.uses_of_name.entry(module.name.clone()).or_default();
        *uses += 1;
        let name = if *uses == 1 { module.name } else { format!("{}_{uses}", module.name) };
        self.modules.push(Module { name, ..module });
        self.known.insert(key, self.modules.len() - 1);
        self.modules.len() - 1
    }
}

impl Walk {
    fn finish(&mut self, scope: Scope) -> Result<(), EmitError> {
        let role = scope.mark.as_ref().map_or(Role::Module, |mark| mark.role);
        let mut module = None;
        if role != Role::Register || self.stack.is_empty() {
            let (ports, body) = render(&scope, &self.library.modules)?;
            let name = if self.stack.is_empty() { self.top.clone() } else { scope.kind_name() };
            module =
                Some(self.library.intern(Module { name, role, ports, body, instances: scope.instances() }));
        }
        match self.stack.last_mut() {
            Some(parent) => {
                let ports = scope.ports();
                parent.take_labels(scope.labels);
                parent.add_child(Child { name: scope.name, module, ports });
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
            if let Some(mark) = Mark::read(name) {
                scope.mark = Some(mark);
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
        let is_driven = match kind {
            // The top's inputs come from outside, and text of its own drives a block's outputs.
            NetKind::Input => depth == 1,
            NetKind::Output => matches!(scope.body, Verilog::Custom(_)),
            NetKind::Local | NetKind::Constant(_) => false,
        };
        if !signal.connected() && !is_driven {
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
    let (inputs, outputs) = (ports(true), ports(false));
    Ok(Design {
        preamble: String::new(),
        modules: walk.library.modules,
        top: top.to_owned(),
        inputs,
        outputs,
    })
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
