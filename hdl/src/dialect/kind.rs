//! The name under which a block's Verilog module is emitted.
//!
//! Rust-HDL names a module after the path of its instance, so 64 equal lanes become 64 modules. A [`Kind`] field
//! tells the emitter what the block *is*; equal bodies of one kind become one Verilog module of that name.

use rust_hdl::prelude::*;
use std::marker::PhantomData;

/// How the emitter treats a block, and what it costs on an FPGA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// A module.
    #[default]
    Module,
    /// A register: no module, but a line in the `always_ff` of its parent.
    Register,
    /// A module that takes one block RAM.
    BlockRam,
    /// A module that takes one hardware multiplier.
    Multiplier,
}

/// Names the Verilog module of the block that holds it. By default the name is made from the Rust type:
/// `MxmLane<9, 16>` becomes `mxm_lane_9_16`.
#[derive(Clone, Debug)]
pub struct Kind<T> {
    given: Option<String>,
    role: Role,
    block: PhantomData<fn() -> T>,
}

impl<T> Default for Kind<T> {
    fn default() -> Self {
        Self::of(Role::Module)
    }
}

impl<T> Kind<T> {
    /// A kind whose name depends on constructor parameters, for instance `round_shift_sat_32_18`.
    pub fn named(name: impl Into<String>) -> Self {
        Self { given: Some(name.into()), ..Self::default() }
    }

    /// A kind with a role, named after its Rust type.
    pub fn of(role: Role) -> Self {
        Self { given: None, role, block: PhantomData }
    }

    /// The name of the Verilog module.
    pub fn name(&self) -> String {
        self.given.clone().unwrap_or_else(|| snake_case(std::any::type_name::<T>()))
    }
}

/// Turns `crate::mxm::MxmLane<9, 16>` into `mxm_lane_9_16`.
fn snake_case(type_name: &str) -> String {
    let (path, parameters) = type_name.split_once('<').unwrap_or((type_name, ""));
    let mut name = String::new();
    for c in path.rsplit("::").next().unwrap_or(path).chars() {
        if c.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(c.to_lowercase());
    }
    for number in parameters.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()) {
        name.push('_');
        name.push_str(number);
    }
    name
}

/// What a [`Kind`] tells the emitter. It travels as the name of a namespace, the only thing that Rust-HDL's other probes ignore; this type
/// is the only place that writes and reads such names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub role: Role,
    pub name: String,
}

impl Mark {
    const ROLES: [(&str, Role); 4] = [
        ("module: ", Role::Module),
        ("register: ", Role::Register),
        ("block RAM: ", Role::BlockRam),
        ("multiplier: ", Role::Multiplier),
    ];

    fn text(&self) -> String {
        let (prefix, _) = Self::ROLES[self.role as usize];
        format!("{prefix}{}", self.name)
    }

    /// Reads the name of a namespace; none if it is not a mark.
    pub fn read(namespace: &str) -> Option<Self> {
        let named = |(prefix, role): (&str, Role)| {
            Some(Self { role, name: namespace.strip_prefix(prefix)?.to_owned() })
        };
        Self::ROLES.into_iter().find_map(named)
    }
}

impl<T> Logic for Kind<T> {
    fn update(&mut self) {}
}

impl<T> Block for Kind<T> {
    fn connect_all(&mut self) {}
    fn update_all(&mut self) {}
    fn has_changed(&self) -> bool {
        false
    }
    fn accept(&self, name: &str, probe: &mut dyn Probe) {
        probe.visit_start_namespace(&Mark { role: self.role, name: self.name() }.text(), self);
        probe.visit_end_namespace(name, self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct MxmLane<const W: usize, const A: usize>;

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        for (at, (_, role)) in Mark::ROLES.into_iter().enumerate() {
            let mark = Mark { role, name: "lane_9".into() };
            assert_eq!((role as usize, Mark::read(&mark.text())), (at, Some(mark)));
        }
        assert_eq!(Mark::read("lane$3"), None);
    }

    #[test]
    fn names_come_from_the_type_and_its_parameters() {
        assert_eq!(Kind::<MxmLane<9, 16>>::default().name(), "mxm_lane_9_16");
        assert_eq!(Kind::<MxmLane<9, 16>>::named("lane").name(), "lane");
    }
}
