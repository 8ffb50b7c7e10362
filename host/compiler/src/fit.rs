//! Whether a model fits a chip, what is short, and which chip would do.
//!
//! A *virtual* geometry is a chip that nobody builds: as wide as the model's vectors and with as much memory as it needs. It runs
//! on the emulator, so that every supported model can be tried.

use crate::external::GRANULES;
use crate::{CompileError, Features, Plan, lay_out};
use lpu_isa::Geometry;
use lpu_model::{Config, Model};

pub const VIRTUAL: &str = "virtual";
/// A chip counts tokens in 16 bits, and the last number stands for none.
const TOKEN_IDS: usize = 0xffff;
/// A chip counts positions in 16 bits.
pub const POSITIONS_MAX: usize = 1 << 16;
/// A memory that is found too small is made larger, and each round mends one: there are fewer memories than this.
const ROUNDS_MAX: usize = 64;
/// Instructions are few compared with weights, and nobody builds the queue of a virtual chip.
const VIRTUAL_QUEUE_DEPTH: usize = 1 << 14;
/// Blocks of positions for which a virtual chip's program is tried: more of them change delays alone.
const TRIED_BLOCKS: usize = 64;
/// Lanes of the vector unit of a virtual chip: a matrix row is at most this many vector rows.
const VXM_LANES_MAX: usize = 128;

/// The chips of boards, smallest first.
pub const OF_BOARDS: [Geometry; 3] = [Geometry::ULX3S_85F, Geometry::ULX3S_85F_SDRAM, Geometry::ECP5_DDR3];

/// The chip chosen for a model, and why none of the smaller ones was.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    pub geometry: Geometry,
    pub smaller: Vec<(&'static str, CompileError)>,
}

/// The smallest chip of a board that holds the model, with all of `context` positions if that is given.
///
/// # Errors
/// When none does: what is wrong with the largest that has a program for models of this kind.
pub fn choose(config: &Config, features: Features, context: Option<usize>) -> Result<Choice, CompileError> {
    check_token_ids(config)?;
    let mut smaller: Vec<(&'static str, CompileError)> = Vec::new();
    for geometry in OF_BOARDS {
        match lay_out(config, features, &geometry, context) {
            Ok(_) => return Ok(Choice { geometry, smaller }),
            Err(error) => smaller.push((geometry.name, error)),
        }
    }
    let has_program = |error: &CompileError| !matches!(error, CompileError::Unsupported { .. });
    let errors = || smaller.iter().map(|(_, error)| error);
    let last = errors().rfind(|error| has_program(error)).or(errors().next());
    Err(last.expect("there are chips").clone())
}

/// A memory that is too small.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Shortage {
    pub memory: String,
    pub needed: usize,
    pub available: usize,
}

/// How a model and a chip get along.
#[derive(Clone, Debug)]
pub struct Fit {
    /// Memories that are too small for a context of one block of positions; none if the model fits.
    pub short: Vec<Shortage>,
    /// The layout, if the model fits.
    pub plan: Option<Plan>,
    /// Why no memory would help.
    pub impossible: Option<CompileError>,
}

/// Lays the model out on the chip as the compiler does, with memories enlarged until it fits, and says what had to be enlarged.
pub fn fit(config: &Config, features: Features, geometry: &Geometry) -> Fit {
    let mut grown = *geometry;
    let mut short = Vec::new();
    let none = |short, impossible| Fit { short, plan: None, impossible };
    if let Err(error) = check_token_ids(config) {
        return none(short, Some(error));
    }
    for _ in 0..ROUNDS_MAX {
        match Plan::new(config, features, &grown, None) {
            Ok(_) if !short.is_empty() => return none(short, None),
            Ok(_) => {
                return match lay_out(config, features, geometry, None) {
                    Ok(plan) => Fit { short, plan: Some(plan), impossible: None },
                    Err(error) => none(short, Some(error)),
                };
            }
            Err(CompileError::DoesNotFit { memory, needed, available })
                if enlarge(&mut grown, memory, needed) =>
            {
                note_shortage(&mut short, geometry, memory, needed, available);
            }
            Err(error) => return none(short, Some(error)),
        }
    }
    none(short, Some(CompileError::Unsettled))
}

/// Whether a chip can count the model's tokens.
///
/// # Errors
/// When there are too many.
pub fn check_token_ids(config: &Config) -> Result<(), CompileError> {
    match config.vocab > TOKEN_IDS {
        true => {
            Err(CompileError::DoesNotFit { memory: "token ids", needed: config.vocab, available: TOKEN_IDS })
        }
        false => Ok(()),
    }
}

fn note_shortage(
    short: &mut Vec<Shortage>,
    geometry: &Geometry,
    memory: &str,
    needed: usize,
    available: usize,
) {
    match short.iter_mut().find(|shortage| shortage.memory == memory) {
        Some(shortage) => shortage.needed = needed,
        None => {
            let available = room(geometry, memory).copied().unwrap_or(available);
            short.push(Shortage { memory: memory.into(), needed, available });
        }
    }
}

/// The size that a compile error is about.
fn room<'g>(geometry: &'g Geometry, memory: &str) -> Option<&'g usize> {
    Some(match memory {
        "weight memory rows" => &geometry.weight_rows,
        "KV memory rows" => &geometry.kv_rows,
        "vector memory rows" => &geometry.vmem_rows,
        "vector registers" => &geometry.vreg_rows,
        "activation entries" => &geometry.act_entries,
        "scalars" => &geometry.scalars,
        GRANULES => &geometry.dram_granules,
        _ => return None,
    })
}

/// Gives a memory at least the rows it needs; false when no chip can have them.
fn enlarge(geometry: &mut Geometry, memory: &str, needed: usize) -> bool {
    let Some(room) = room(geometry, memory)
        .copied()
        .and_then(|room| needed.checked_next_power_of_two().filter(|new| *new > room))
    else {
        return false;
    };
    match memory {
        "weight memory rows" => geometry.weight_rows = room,
        "KV memory rows" => geometry.kv_rows = room,
        "vector memory rows" => geometry.vmem_rows = room,
        "vector registers" => geometry.vreg_rows = room,
        "activation entries" => geometry.act_entries = room,
        GRANULES => geometry.dram_granules = room,
        _ => geometry.scalars = room,
    }
    geometry.is_sound()
}

/// A chip that the model fits on with all of `context` positions (by default all that the model has).
///
/// # Errors
/// When no chip of the instruction set can hold the model.
pub fn virtual_geometry(model: &Model, context: Option<usize>) -> Result<Geometry, CompileError> {
    let config = &model.config;
    let wanted = context.unwrap_or(config.context).min(config.context).min(POSITIONS_MAX);
    let mut geometry = wide_enough(config);
    geometry.positions = wanted.next_power_of_two();
    with_room(model, geometry, wanted)
}

/// A chip with queues as long as those of a virtual one, and with as much more memory as `context` positions need.
///
/// # Errors
/// When more memory does not help.
pub fn with_room(model: &Model, geometry: Geometry, context: usize) -> Result<Geometry, CompileError> {
    let features = Features::of(model);
    let positions = geometry.positions.max(context.next_power_of_two());
    let (matrix_queue_depth, vector_queue_depth) = (VIRTUAL_QUEUE_DEPTH, VIRTUAL_QUEUE_DEPTH);
    let mut grown = Geometry { positions, matrix_queue_depth, vector_queue_depth, ..geometry };
    for _ in 0..ROUNDS_MAX {
        match Plan::new(&model.config, features, &grown, Some(context)) {
            Ok(_) => {
                let tried = context.min(TRIED_BLOCKS * grown.vxm_lanes);
                return lay_out(&model.config, features, &grown, Some(tried)).map(|_| grown);
            }
            Err(CompileError::DoesNotFit { memory, needed, .. }) if enlarge(&mut grown, memory, needed) => {}
            Err(error) => return Err(error),
        }
    }
    Err(CompileError::Unsettled)
}

/// The board's chip, or a wider one if a vector of the model is wider than its matrix unit.
fn wide_enough(config: &Config) -> Geometry {
    let board = Geometry::ULX3S_85F;
    let widest = config.dim.max(config.head_dim).next_power_of_two();
    let mut geometry = Geometry { name: VIRTUAL, mxm_lanes: board.mxm_lanes.max(widest), ..board };
    while geometry.groups() > geometry.vxm_lanes && geometry.vxm_lanes < VXM_LANES_MAX {
        geometry.vxm_lanes *= 2;
    }
    geometry
}

#[cfg(test)]
mod tests {
    use super::*;
    use lpu_model::synthetic::{stories_15m, synthetic, tiny_llama};

    #[test]
    fn every_shortage_is_named() {
        let big = Config { dim: 64, hidden_dim: 4096, layers: 16, ..tiny_llama() };
        let features = Features::of(&synthetic(&tiny_llama(), 1).unwrap());
        let found = fit(&big, features, &Geometry::ULX3S_85F);
        let weights =
            found.short.iter().find(|short| short.memory == "weight memory rows").expect("too large");
        assert_eq!(weights.available, Geometry::ULX3S_85F.weight_rows);
        assert!(weights.needed > weights.available);
        assert!(found.plan.is_none());
        let small = fit(&tiny_llama(), features, &Geometry::ULX3S_85F);
        assert!(small.short.is_empty());
        assert_eq!(small.plan.unwrap().context, tiny_llama().context);
    }

    #[test]
    fn the_smallest_chip_is_chosen() {
        let choose = |config: &Config| {
            let features = Features::of(&synthetic(&tiny_llama(), 1).unwrap());
            super::choose(config, features, None)
        };
        assert_eq!(choose(&tiny_llama()).unwrap().geometry, Geometry::ULX3S_85F);
        let chosen = choose(&stories_15m()).unwrap();
        assert_eq!(chosen.geometry, Geometry::ULX3S_85F_SDRAM);
        assert!(matches!(chosen.smaller[..], [("ulx3s-85f", CompileError::DoesNotFit { .. })]), "{chosen:?}");
        let wide = Config { layers: 200, ..stories_15m() };
        let Err(CompileError::DoesNotFit { memory, .. }) = choose(&wide) else { panic!("it fits") };
        assert_eq!(memory, GRANULES);
    }

    #[test]
    fn a_virtual_chip_holds_what_no_board_does() {
        let config = Config { dim: 64, hidden_dim: 512, layers: 12, context: 2000, ..tiny_llama() };
        let model = synthetic(&config, 1).unwrap();
        let geometry = virtual_geometry(&model, None).unwrap();
        assert!(geometry.is_sound());
        assert_eq!(geometry.name, VIRTUAL);
        assert_eq!(lay_out(&config, Features::of(&model), &geometry, None).unwrap().context, 2000);
    }
}
