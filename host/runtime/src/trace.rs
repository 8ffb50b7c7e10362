//! A token's schedule as a Chrome trace, which Perfetto opens: one track a slice, one cycle a microsecond.
//!
//! A bar runs from an instruction's first issue to its last; results follow by the latencies of the instruction set. Instructions of one
//! queue issue one after the other, so the bars of a track never overlap.

use crate::schedule::{Issued, Schedule, Slice};
use lpu_assembly::disassemble_line;
use lpu_isa::image::Image;
use lpu_isa::instruction::{ISA_HASH, Op};
use serde_json::{Value, json};

/// The trace of one position.
pub fn trace(image: &Image, schedule: &Schedule, position: usize) -> Value {
    let mut events = names(image);
    let cycles = schedule.walk(position, |issued| {
        for (track, slice) in Slice::ALL.into_iter().enumerate() {
            if slice.is_used_by(&issued.instruction.op) {
                events.push(bar(track + 1, &issued));
            }
        }
    });
    events.push(json!({
        "name": format!("token at position {position}"), "ph": "X", "pid": 1, "tid": 0, "ts": 0, "dur": cycles,
        "args": { "cycles": cycles },
    }));
    json!({
        "traceEvents": events,
        "displayTimeUnit": "ms",
        "metadata": {
            "time_unit": "1 cycle = 1 us",
            "bars": "first to last issue of an instruction",
            "model": image.model.name,
            "geometry": image.geometry.name,
            "clock_hz": image.geometry.clock_hz,
            "isa_hash": format!("{ISA_HASH:016x}"),
            "position": position,
            "cycles": cycles,
        },
    })
}

fn names(image: &Image) -> Vec<Value> {
    let name = |kind: &str, tid: usize, name: String| json!({ "name": kind, "ph": "M", "pid": 1, "tid": tid, "args": { "name": name } });
    let mut events = vec![
        name("process_name", 0, format!("{} on {}", image.model.name, image.geometry.name)),
        name("thread_name", 0, "token".into()),
    ];
    for (index, slice) in Slice::ALL.into_iter().enumerate() {
        let (slice, unit) = slice.text();
        events.push(name("thread_name", index + 1, format!("{slice} ({unit})")));
        // Perfetto sorts tracks by name unless it is told otherwise.
        events.push(json!({
            "name": "thread_sort_index", "ph": "M", "pid": 1, "tid": index + 1, "args": { "sort_index": index + 1 },
        }));
    }
    events
}

fn bar(track: usize, issued: &Issued) -> Value {
    let Issued { queue, instruction, block } = issued;
    let queue = queue.to_string();
    json!({
        "name": label(&instruction.op), "ph": "X", "pid": 1, "tid": track,
        "ts": block.first, "dur": (block.count - 1) * block.interval + 1,
        "args": {
            "queue": queue,
            "instruction": block.index,
            "assembly": instruction.encode().map(|word| disassemble_line(&word)).unwrap_or_default(),
            "issues": block.count,
            "interval": block.interval,
            "offsets": block.offsets,
        },
    })
}

fn label(op: &Op) -> String {
    match op {
        Op::Dot(dot) => format!("Dot {:?} row {}", dot.memory, dot.row),
        Op::Gather(gather) => format!("Gather {:?} row {}", gather.index, gather.row),
        Op::Vector(vector) => format!("{:?} to {:?}", vector.function, vector.destination),
        Op::Transfer(transfer) => format!("{:?} granule {}", transfer.way, transfer.address),
        Op::Nop(_) | Op::Loop(_) | Op::EndLoop(_) | Op::Sync(_) | Op::End(_) => op.row().name.into(),
    }
}
