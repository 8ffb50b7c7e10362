//! The emitted design as a tree of modules.
//!
//! Verilog is printed from it. Cell counts, the floorplan and formal proofs read the tree and never parse the text.

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

/// An instance of a module inside another module.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instance {
    pub name: String,
    /// Index of an array element.
    pub index: Option<usize>,
    /// Index into [`Design::modules`].
    pub module: usize,
}

impl Instance {
    /// Takes Rust-HDL's name apart: `name`, or `name$index` for an array element.
    pub(super) fn new(name: &str, module: usize) -> Self {
        let element = name.rsplit_once('$').and_then(|(array, index)| Some((array, index.parse().ok()?)));
        let (name, index) = element.map_or((name, None), |(array, index)| (array, Some(index)));
        Self { name: name.to_owned(), index, module }
    }
}

/// The name in the Verilog.
impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(index) => write!(f, "{}${index}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// A Verilog module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    pub name: String,
    pub role: Role,
    /// The port list, with parentheses.
    pub ports: String,
    /// The text between the port list and `endmodule`.
    pub body: String,
    pub instances: Vec<Instance>,
}

impl Module {
    /// The module's text with `more` inserted before `endmodule`, such as a property.
    pub fn verilog_with(&self, more: &str) -> String {
        format!("module {} {}{}{more}endmodule\n", self.name, self.ports, self.body)
    }
}

impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.verilog_with(""))
    }
}

/// A path of instances from below the top, each inside the one before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(Vec<Instance>);

impl Path {
    /// Names and indices; the index is 0 for an instance that is not in an array.
    pub fn names(&self) -> Vec<(&str, usize)> {
        self.0.iter().map(|instance| (instance.name.as_str(), instance.index.unwrap_or(0))).collect()
    }

    /// All prefixes of this path, from the empty path of the top to the path itself.
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

/// A complete design.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Design {
    /// Verilog that precedes the modules, such as the source of the soft core.
    pub preamble: String,
    /// Every module once, each before the modules that use it; the top is last.
    pub modules: Vec<Module>,
    pub top: String,
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
}

impl Design {
    /// The complete Verilog text.
    pub fn verilog(&self) -> String {
        let modules: Vec<String> = self.modules.iter().map(Module::to_string).collect();
        format!("{}{}", self.preamble, modules.join("\n"))
    }

    /// The named module and every module inside it, each before its users; empty if there is no such module.
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

    /// The block RAMs and multipliers of the design, with their paths.
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
