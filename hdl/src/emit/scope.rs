//! A block while the walk collects it: its nets, its children, its kernel.

use super::design::Instance;
use super::error::EmitError;
use crate::dialect::Mark;
use rust_hdl::prelude::{TypeDescriptor, TypeKind, Verilog, VerilogLiteral};
use std::collections::BTreeMap;

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
pub(super) struct Child {
    pub name: String,
    /// Index of its module; none for a register.
    pub module: Option<usize>,
    /// Inputs and outputs, by their names inside the child.
    pub ports: Vec<Net>,
}

impl Child {
    pub fn is_register(&self) -> bool {
        self.module.is_none()
    }
}

/// The block being collected.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub name: String,
    pub mark: Option<Mark>,
    pub namespace: Vec<String>,
    pub body: Verilog,
    pub own: Vec<Net>,
    pub children: Vec<Child>,
    /// Enumeration labels: name, code, width.
    pub labels: Vec<(String, usize, usize)>,
    pub nets: BTreeMap<String, Net>,
    pub shown: BTreeMap<String, String>,
}

impl Scope {
    /// The wanted module name: the kind, else the instance name without its index.
    pub fn kind_name(&self) -> String {
        let instance = self.name.split('$').next().unwrap_or(&self.name);
        self.mark.as_ref().map_or(instance, |mark| &mark.name).to_owned()
    }

    pub fn net(&self, name: &str) -> Result<&Net, EmitError> {
        let undeclared = || EmitError::Undeclared { module: self.kind_name(), name: name.to_owned() };
        self.nets.get(name).ok_or_else(undeclared)
    }

    pub fn label_width(&self, name: &str) -> Option<usize> {
        self.labels.iter().find(|(label, ..)| label == name).map(|(_, _, width)| *width)
    }

    /// Name of a net in the text: a register's output is shown by the register's own name.
    pub fn shown(&self, name: &str) -> String {
        self.shown.get(name).cloned().unwrap_or_else(|| name.to_owned())
    }

    pub fn add_net(&mut self, net: Net) {
        self.nets.insert(net.name.clone(), net.clone());
        self.own.push(net);
    }

    pub fn add_child(&mut self, child: Child) {
        for port in &child.ports {
            let name = format!("{}${}", child.name, port.name);
            if child.is_register() && port.name == "q" {
                self.shown.insert(name.clone(), child.name.clone());
            }
            self.nets.insert(name.clone(), Net { name, ..port.clone() });
        }
        self.children.push(child);
    }

    pub fn add_labels(&mut self, descriptor: &TypeDescriptor, width: usize) {
        if let TypeKind::Enum(labels) = &descriptor.kind {
            let entries =
                labels.iter().enumerate().map(|(code, label)| (label.replace("::", "$"), code, width));
            self.take_labels(entries.collect());
        }
    }

    pub fn take_labels(&mut self, labels: Vec<(String, usize, usize)>) {
        for label in labels {
            if !self.labels.contains(&label) {
                self.labels.push(label);
            }
        }
    }

    pub fn ports(&self) -> Vec<Net> {
        let is_port = |net: &&Net| matches!(net.kind, NetKind::Input | NetKind::Output);
        self.own.iter().filter(is_port).cloned().collect()
    }

    pub fn instances(&self) -> Vec<Instance> {
        let instance = |child: &Child| Some(Instance::new(&child.name, child.module?));
        self.children.iter().filter_map(instance).collect()
    }
}
