//! One module's text: ports, declarations, instances, assignments, registers.

use super::design::Module;
use super::error::EmitError;
use super::expression::range;
use super::kernel::{Group, groups};
use super::scope::{Child, Net, NetKind, Scope};
use rust_hdl::prelude::Verilog;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Longest expression, in characters, that is written at the instance rather than in an assignment of its own.
const INLINE_CHARACTERS_MAX: usize = 60;

/// Port list and body of `scope`; the name is the caller's business.
pub(super) fn render(scope: &Scope, modules: &[Module]) -> Result<(String, String), EmitError> {
    let body = match &scope.body {
        Verilog::Combinatorial(block) => kernel_body(scope, modules, groups(scope, block)?),
        Verilog::Custom(code) => indent(code),
        Verilog::Empty => String::new(),
        Verilog::Wrapper(_) | Verilog::Blackbox(_) => {
            return Err(EmitError::Unsupported(format!("Verilog of others, `{}`,", scope.kind_name())));
        }
    };
    Ok((port_list(scope), body))
}

fn port_list(scope: &Scope) -> String {
    let port = |net: &Net| {
        let direction = match net.kind {
            NetKind::Input => "input  wire",
            NetKind::Output => "output logic",
            NetKind::Local | NetKind::Constant(_) => return None,
        };
        Some(format!("    {direction}{} {}", range(net), net.name))
    };
    let ports: Vec<String> = scope.own.iter().filter_map(port).collect();
    format!("(\n{}\n);\n", ports.join(",\n"))
}

fn indent(code: &str) -> String {
    let line = |line: &str| {
        let is_directive = line.trim_start().starts_with('`');
        let blank = line.trim().is_empty();
        if blank {
            "\n".to_owned()
        } else if is_directive {
            format!("{line}\n")
        } else {
            format!("    {line}\n")
        }
    };
    code.trim_matches('\n').lines().map(line).collect()
}

/// What the kernel's groups become, sorted by where they are written.
struct Plan {
    /// Expression at the pin, by net name (`instance$port`).
    at_pin: BTreeMap<String, String>,
    groups: Vec<Group>,
    used: BTreeSet<String>,
}

fn plan(scope: &Scope, all: Vec<Group>) -> Plan {
    let mut used: BTreeSet<String> = all.iter().flat_map(|group| group.reads.iter().cloned()).collect();
    let is_input_pin = |name: &str| {
        let pin =
            |i: &Child| name.strip_prefix(&i.name).and_then(|rest| rest.strip_prefix('$')).map(str::to_owned);
        scope.children.iter().any(|i| {
            pin(i).is_some_and(|p| {
                i.ports.iter().any(|port| port.name == p && matches!(port.kind, NetKind::Input))
            })
        })
    };
    let mut at_pin = BTreeMap::new();
    let mut kept = vec![];
    for group in all {
        match &group.single {
            Some((target, value))
                if value.len() <= INLINE_CHARACTERS_MAX && !used.contains(target) && is_input_pin(target) =>
            {
                at_pin.insert(target.clone(), value.clone());
            }
            _ => {
                used.extend(group.writes.iter().cloned());
                kept.push(group);
            }
        }
    }
    Plan { at_pin, groups: kept, used }
}

fn kernel_body(scope: &Scope, modules: &[Module], all: Vec<Group>) -> String {
    let plan = plan(scope, all);
    let mut out = String::new();
    declarations(scope, &plan, &mut out);
    for child in &scope.children {
        if let Some(module) = child.module {
            instantiate(child, &modules[module].name, &plan, &mut out);
        }
    }
    for group in &plan.groups {
        if let (Some(_), [line]) = (&group.single, group.lines.as_slice()) {
            let _ = writeln!(out, "    assign {line}");
        } else {
            let lines: String = group.lines.iter().map(|line| format!("        {line}\n")).collect();
            let _ = write!(out, "    always_comb begin\n{lines}    end\n");
        }
    }
    registers(scope, &plan, &mut out);
    out
}

fn declarations(scope: &Scope, plan: &Plan, out: &mut String) {
    for (label, code, width) in scope.labels.iter().filter(|(label, ..)| plan.used.contains(label)) {
        let range = if *width == 1 { String::new() } else { format!(" [{}:0]", width - 1) };
        let _ = writeln!(out, "    localparam logic{range} {label} = {width}'h{code:x};");
    }
    for net in scope.own.iter().filter(|net| plan.used.contains(&net.name)) {
        match &net.kind {
            NetKind::Constant(value) => {
                let _ = writeln!(out, "    localparam logic{} {} = {value:x};", range(net), net.name);
            }
            NetKind::Local => {
                let _ = writeln!(out, "    logic{} {};", range(net), net.name);
            }
            NetKind::Input | NetKind::Output => {}
        }
    }
    for child in &scope.children {
        for port in &child.ports {
            let name = format!("{}${}", child.name, port.name);
            if child.is_register() && port.name == "q" {
                let _ = writeln!(out, "    logic{} {};", range(port), child.name);
            } else if plan.used.contains(&name) {
                let _ = writeln!(out, "    logic{} {name};", range(port));
            }
        }
    }
}

/// The text at a pin: the expression written in place, the net, or nothing where no one reads an output.
fn pin(child: &Child, port: &str, plan: &Plan) -> String {
    let name = format!("{}${port}", child.name);
    match plan.at_pin.get(&name) {
        Some(value) => value.clone(),
        None if plan.used.contains(&name) => name,
        None => String::new(),
    }
}

fn instantiate(child: &Child, module: &str, plan: &Plan, out: &mut String) {
    let pins: Vec<String> = child
        .ports
        .iter()
        .map(|port| format!("        .{}({})", port.name, pin(child, &port.name, plan)))
        .collect();
    let _ = write!(out, "    {module} {} (\n{}\n    );\n", child.name, pins.join(",\n"));
}

/// Registers, one block per clock. All are zero at power-up.
fn registers(scope: &Scope, plan: &Plan, out: &mut String) {
    let mut by_clock = BTreeMap::<String, Vec<String>>::new();
    let mut initial = vec![];
    for register in scope.children.iter().filter(|child| child.is_register()) {
        let width = register.ports.iter().find(|port| port.name == "q").map_or(1, |port| port.width);
        initial.push(format!("        {} = {width}'h0;\n", register.name));
        let line = format!("        {} <= {};\n", register.name, pin(register, "d", plan));
        by_clock.entry(pin(register, "clock", plan)).or_default().push(line);
    }
    if !initial.is_empty() {
        let _ = write!(out, "    initial begin\n{}    end\n", initial.concat());
    }
    for (clock, lines) in by_clock {
        let _ = write!(out, "    always_ff @(posedge {clock}) begin\n{}    end\n", lines.concat());
    }
}
