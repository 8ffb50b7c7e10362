//! One module's text: ports, declarations, instances, assignments, registers.

use super::EmitError;
use super::expression::range;
use super::kernel::{Group, groups};
use super::walk::{Instance, Net, NetKind, Scope};
use rust_hdl::prelude::Verilog;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Longest expression, in characters, that is written at the instance rather than in an assignment of its own.
const INLINE_CHARACTERS_MAX: usize = 60;

/// Port list and body of `scope`; the name is the caller's business.
pub(super) fn render(scope: &Scope) -> Result<(String, String), EmitError> {
    let header = port_list(scope);
    let body = match &scope.body {
        Verilog::Combinatorial(block) => kernel_body(scope, groups(scope, block)?),
        Verilog::Custom(code) => indent(code),
        Verilog::Wrapper(wrapper) => indent(&wrapper.code),
        Verilog::Blackbox(blackbox) => {
            return Err(EmitError::Unsupported(format!("the black box {}", blackbox.name)));
        }
        Verilog::Empty => String::new(),
    };
    Ok((header, format!("{body}endmodule\n")))
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
        let pin = |i: &Instance| {
            name.strip_prefix(&i.name).and_then(|rest| rest.strip_prefix('$')).map(str::to_owned)
        };
        scope.instances.iter().any(|i| {
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

fn kernel_body(scope: &Scope, all: Vec<Group>) -> String {
    let plan = plan(scope, all);
    let mut out = String::new();
    declarations(scope, &plan, &mut out);
    for instance in scope.instances.iter().filter(|i| i.flip_flop_initial.is_none()) {
        instantiate(instance, &plan, &mut out);
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
    for instance in &scope.instances {
        for port in &instance.ports {
            let name = format!("{}${}", instance.name, port.name);
            if instance.flip_flop_initial.is_some() && port.name == "q" {
                let _ = writeln!(out, "    logic{} {};", range(port), instance.name);
            } else if plan.used.contains(&name) {
                let _ = writeln!(out, "    logic{} {name};", range(port));
            }
        }
    }
}

/// The text at a pin: the expression written in place, the net, or nothing where no one reads an output.
fn pin(instance: &Instance, port: &str, plan: &Plan) -> String {
    let name = format!("{}${port}", instance.name);
    match plan.at_pin.get(&name) {
        Some(value) => value.clone(),
        None if plan.used.contains(&name) => name,
        None => String::new(),
    }
}

fn instantiate(instance: &Instance, plan: &Plan, out: &mut String) {
    let pins: Vec<String> = instance
        .ports
        .iter()
        .map(|port| format!("        .{}({})", port.name, pin(instance, &port.name, plan)))
        .collect();
    let _ = write!(out, "    {} {} (\n{}\n    );\n", instance.module, instance.name, pins.join(",\n"));
}

/// Flip-flops, one block per clock.
fn registers(scope: &Scope, plan: &Plan, out: &mut String) {
    let mut by_clock = BTreeMap::<String, Vec<String>>::new();
    let mut initial = vec![];
    for instance in &scope.instances {
        if let Some(value) = &instance.flip_flop_initial {
            initial.push(format!("        {} = {value};\n", instance.name));
            let line = format!("        {} <= {};\n", instance.name, pin(instance, "d", plan));
            by_clock.entry(pin(instance, "clock", plan)).or_default().push(line);
        }
    }
    if !initial.is_empty() {
        let _ = write!(out, "    initial begin\n{}    end\n", initial.concat());
    }
    for (clock, lines) in by_clock {
        let _ = write!(out, "    always_ff @(posedge {clock}) begin\n{}    end\n", lines.concat());
    }
}
