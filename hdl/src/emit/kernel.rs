//! A kernel's statements to independent Verilog assignments.
//!
//! Rust-HDL runs a kernel from top to bottom; Verilog would need one `always` block over everything to do the same,
//! and a simulator would see loops through every instance. Loops are unrolled here, and the statements fall apart
//! into groups: two statements share a group when they write the same signal, or when one reads what a later one
//! writes. Between groups the order cannot matter, so each becomes an assignment of its own.

use super::error::EmitError;
use super::expression::Renderer;
use super::names::resolve;
use super::scope::Scope;
use rust_hdl::prelude::ast::{
    VerilogBlockOrConditional, VerilogConditional, VerilogExpression, VerilogMatch, VerilogStatement,
};

/// Statements that must stay together, in order.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub lines: Vec<String>,
    pub writes: Vec<String>,
    pub reads: Vec<String>,
    /// Target and expression, when the whole group is one assignment.
    pub single: Option<(String, String)>,
    /// One of the reads happens before a write in the same group.
    first: usize,
}

/// Splits the kernel of `scope` into groups, in the order in which they first appear.
pub(super) fn groups(scope: &Scope, block: &[VerilogStatement]) -> Result<Vec<Group>, EmitError> {
    let mut flattener =
        Flattener { scope, renderer: Renderer { scope, loops: vec![], reads: vec![] }, out: vec![] };
    flattener.top_level(block)?;
    Ok(gather(flattener.out))
}

/// Merges statements that must share a group.
fn gather(statements: Vec<Group>) -> Vec<Group> {
    let mut parent: Vec<usize> = (0..statements.len()).collect();
    let mut writers = std::collections::BTreeMap::<&str, Vec<usize>>::new();
    for (at, statement) in statements.iter().enumerate() {
        for name in &statement.writes {
            writers.entry(name).or_default().push(at);
        }
    }
    for all in writers.values() {
        all.windows(2).for_each(|pair| union(&mut parent, pair[0], pair[1]));
    }
    for (at, statement) in statements.iter().enumerate() {
        for later in statement.reads.iter().filter_map(|name| writers.get(name.as_str())?.last()) {
            if *later > at {
                union(&mut parent, at, *later);
            }
        }
    }
    let roots: Vec<usize> = (0..statements.len()).map(|at| find(&mut parent, at)).collect();
    let mut merged = std::collections::BTreeMap::<usize, Group>::new();
    for (at, statement) in statements.into_iter().enumerate() {
        let fresh = !merged.contains_key(&roots[at]);
        let group = merged.entry(roots[at]).or_insert_with(|| Group { first: at, ..Group::default() });
        group.single = if fresh { statement.single } else { None };
        group.lines.extend(statement.lines);
        group.writes.extend(statement.writes);
        group.reads.extend(statement.reads);
    }
    let mut groups: Vec<Group> = merged.into_values().collect();
    groups.sort_by_key(|group| group.first);
    groups
}

fn find(parent: &mut [usize], at: usize) -> usize {
    let mut root = at;
    while parent[root] != root {
        root = parent[root];
    }
    parent[at] = root;
    root
}

fn union(parent: &mut [usize], a: usize, b: usize) {
    let (a, b) = (find(parent, a), find(parent, b));
    parent[a.max(b)] = a.min(b);
}

struct Flattener<'a> {
    scope: &'a Scope,
    renderer: Renderer<'a>,
    out: Vec<Group>,
}

impl Flattener<'_> {
    fn top_level(&mut self, block: &[VerilogStatement]) -> Result<(), EmitError> {
        for statement in block {
            match statement {
                VerilogStatement::Loop(l) => {
                    for value in l.from.as_usize()..l.to.as_usize() {
                        self.renderer.loops.push((l.index.clone(), value as i128));
                        self.top_level(&l.block)?;
                        self.renderer.loops.pop();
                    }
                }
                VerilogStatement::Macro(inner) => self.top_level(inner)?,
                VerilogStatement::Comment(_) => {}
                _ => {
                    let mut group = Group::default();
                    self.statement(statement, 0, &mut group)?;
                    group.reads = std::mem::take(&mut self.renderer.reads);
                    self.out.push(group);
                }
            }
        }
        Ok(())
    }

    fn block(
        &mut self,
        block: &[VerilogStatement],
        depth: usize,
        group: &mut Group,
    ) -> Result<(), EmitError> {
        block.iter().try_for_each(|statement| self.statement(statement, depth, group))
    }

    fn statement(
        &mut self,
        statement: &VerilogStatement,
        depth: usize,
        group: &mut Group,
    ) -> Result<(), EmitError> {
        match statement {
            VerilogStatement::Assignment(target, value) => self.assignment(target, None, value, depth, group),
            VerilogStatement::SliceAssignment { base, width, offset, replacement } => {
                self.assignment(base, Some((*width, offset)), replacement, depth, group)
            }
            VerilogStatement::If(conditional) => {
                self.conditional("if", conditional, depth, group)?;
                push(group, depth, "end");
                Ok(())
            }
            VerilogStatement::Match(choice) => self.choice(choice, depth, group),
            VerilogStatement::Loop(l) => {
                for value in l.from.as_usize()..l.to.as_usize() {
                    self.renderer.loops.push((l.index.clone(), value as i128));
                    self.block(&l.block, depth, group)?;
                    self.renderer.loops.pop();
                }
                Ok(())
            }
            VerilogStatement::Macro(inner) => self.block(inner, depth, group),
            VerilogStatement::Comment(_) => Ok(()),
            VerilogStatement::Link(_) => Err(EmitError::Link(self.scope.kind_name())),
        }
    }

    fn assignment(
        &mut self,
        target: &VerilogExpression,
        part: Option<(usize, &VerilogExpression)>,
        value: &VerilogExpression,
        depth: usize,
        group: &mut Group,
    ) -> Result<(), EmitError> {
        let VerilogExpression::Signal(raw) = target else {
            return Err(EmitError::Slice("the left side of an assignment".into()));
        };
        let name = resolve(raw, &self.renderer.loops)?;
        let width = part.map_or(self.scope.net(&name)?.width, |(width, _)| width);
        let value = self.renderer.render(value, Some(width))?;
        if let Some(given) = value.width
            && given != width
        {
            return Err(EmitError::Width { target: name, expected: width, found: given });
        }
        let shown = self.scope.shown(&name);
        let left = match part {
            None => shown,
            Some((width, offset)) => {
                let offset = self.renderer.render(offset, None)?;
                format!("{shown}[{} +: {width}]", offset.text)
            }
        };
        push(group, depth, &format!("{left} = {};", value.text));
        if part.is_none() && depth == 0 {
            group.single = Some((name.clone(), value.text));
        }
        group.writes.push(name);
        Ok(())
    }

    fn conditional(
        &mut self,
        word: &str,
        conditional: &VerilogConditional,
        depth: usize,
        group: &mut Group,
    ) -> Result<(), EmitError> {
        let test = self.renderer.render(&conditional.test, Some(1))?;
        push(group, depth, &format!("{word} ({}) begin", test.text));
        self.block(&conditional.then, depth + 1, group)?;
        match &conditional.otherwise {
            VerilogBlockOrConditional::Block(block) => {
                push(group, depth, "end else begin");
                self.block(block, depth + 1, group)
            }
            VerilogBlockOrConditional::Conditional(next) => match next.as_ref() {
                VerilogStatement::If(next) => self.conditional("end else if", next, depth, group),
                other => {
                    push(group, depth, "end else begin");
                    self.statement(other, depth + 1, group)
                }
            },
            VerilogBlockOrConditional::None => Ok(()),
        }
    }

    fn choice(&mut self, choice: &VerilogMatch, depth: usize, group: &mut Group) -> Result<(), EmitError> {
        let test = self.renderer.render(&choice.test, None)?;
        push(group, depth, &format!("case ({})", test.text));
        let mut has_default = false;
        for case in &choice.cases {
            let label = if case.condition == "default" {
                has_default = true;
                "default".to_owned()
            } else {
                let label = VerilogExpression::Signal(case.condition.clone());
                self.renderer.render(&label, test.width)?.text
            };
            push(group, depth + 1, &format!("{label}: begin"));
            self.block(&case.block, depth + 2, group)?;
            push(group, depth + 1, "end");
        }
        if !has_default {
            push(group, depth + 1, "default: ;");
        }
        push(group, depth, "endcase");
        Ok(())
    }
}

fn push(group: &mut Group, depth: usize, line: &str) {
    group.lines.push(format!("{}{line}", "    ".repeat(depth)));
}
