//! The emitted design as a tree: modules, what stands in each, and which cells of an FPGA they are.
//!
//! The Verilog is printed from it, and whoever counts cells, gives them places or proves something of a module asks the tree.

use crate::dialect::Role;
use std::collections::BTreeSet;
use std::fmt;

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

/// A module inside another: its name there, with its index if it is one of an array, and its place in [`Design::modules`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instance {
    pub name: String,
    pub index: Option<usize>,
    pub module: usize,
}

impl Instance {
    /// The instance that Rust-HDL calls `name`, or `name$index`.
    pub(super) fn new(name: &str, module: usize) -> Self {
        let element = name.rsplit_once('$').and_then(|(array, index)| Some((array, index.parse().ok()?)));
        let (name, index) = element.map_or((name, None), |(array, index)| (array, Some(index)));
        Self { name: name.to_owned(), index, module }
    }
}

/// As it stands in the Verilog.
impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(index) => write!(f, "{}${index}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// A module of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    pub name: String,
    pub role: Role,
    /// The list of ports, in its parentheses.
    pub ports: String,
    /// What stands between it and `endmodule`.
    pub body: String,
    pub instances: Vec<Instance>,
}

impl Module {
    /// The module's text with more of it before the end, such as a property.
    pub fn verilog_with(&self, more: &str) -> String {
        format!("module {} {}{}{more}endmodule\n", self.name, self.ports, self.body)
    }
}

impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.verilog_with(""))
    }
}

/// Instances from the top down, each inside the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(Vec<Instance>);

impl Path {
    /// Names and indices; what is no element of an array has the index 0.
    pub fn names(&self) -> Vec<(&str, usize)> {
        self.0.iter().map(|instance| (instance.name.as_str(), instance.index.unwrap_or(0))).collect()
    }

    /// The paths to all that this one goes through, the top first and itself last.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> + '_ {
        (0..=self.0.len()).map(|length| Self(self.0[..length].to_vec()))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, instance) in self.0.iter().enumerate() {
            write!(f, "{}{instance}", if at == 0 { "" } else { "." })?;
        }
        Ok(())
    }
}

/// A complete design and the ports of its top module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Design {
    /// Verilog of others that stands before the modules.
    pub preamble: String,
    /// Every module once, before those that use it: the top is the last.
    pub modules: Vec<Module>,
    pub top: String,
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
}

impl Design {
    /// The whole text.
    pub fn verilog(&self) -> String {
        let modules: Vec<String> = self.modules.iter().map(Module::to_string).collect();
        format!("{}{}", self.preamble, modules.join("\n"))
    }

    /// A module and those inside of it, each once and before its users; none if the design has no such module.
    pub fn closure(&self, name: &str) -> Vec<&Module> {
        let Some(at) = self.modules.iter().position(|module| module.name == name) else { return Vec::new() };
        let mut inside = BTreeSet::from([at]);
        for module in (0..=at).rev() {
            if inside.contains(&module) {
                inside.extend(self.modules[module].instances.iter().map(|instance| instance.module));
            }
        }
        inside.into_iter().map(|module| &self.modules[module]).collect()
    }

    /// Every cell of an FPGA that a module of the design stands for, with the path to that module.
    pub fn cells(&self) -> Vec<(Path, Role)> {
        let mut found = vec![];
        if let Some(top) = self.modules.len().checked_sub(1) {
            self.cells_inside(top, &mut Path::default(), &mut found);
        }
        found
    }

    fn cells_inside(&self, module: usize, path: &mut Path, found: &mut Vec<(Path, Role)>) {
        let module = &self.modules[module];
        if matches!(module.role, Role::BlockRam | Role::Multiplier) {
            found.push((path.clone(), module.role));
        }
        for instance in &module.instances {
            path.0.push(instance.clone());
            self.cells_inside(instance.module, path, found);
            path.0.pop();
        }
    }
}
