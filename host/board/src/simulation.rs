//! A chip's netlist as [`lpu_sim::netlist`] takes it, read from what Yosys writes.

use super::build::{Stages, synthesise};
use super::flow::{CHIP_NETLIST, text_of};
use super::store::Store;
use super::{Board, Build, Error, Tool, Tools};
use lpu_isa::Geometry;
use lpu_sim::netlist::{Bit, Cell, Design};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The netlist of a geometry's chip, which joins the rest of the board in what `lpu build` places.
pub fn chip_netlist(
    geometry: &Geometry,
    tools: &Tools,
    folder: &Path,
    tell: &mut dyn FnMut(Build),
) -> Result<Design, Error> {
    let board = board_with(geometry)?;
    let yosys = tools.find(Tool::Yosys)?;
    let synthesised = synthesise(&board, None, &yosys, &Store::open(folder)?, &mut Stages::new(tell))?;
    design(&text_of(&synthesised.folder, CHIP_NETLIST)?, &lpu_hdl::chip::module_name(geometry))
}

fn board_with(geometry: &Geometry) -> Result<Board, Error> {
    let boards = Board::all()?;
    let mut names: Vec<String> = boards.iter().map(|board| board.geometry_name.clone()).collect();
    names.sort();
    names.dedup();
    boards.into_iter().find(|board| board.geometry() == *geometry).ok_or_else(|| {
        Error::Input(format!(
            "expected a geometry that a board of `lpu boards` has ({}), found `{}`: only these are synthesised",
            names.join(", "),
            geometry.name
        ))
    })
}

/// The parts of Yosys's JSON that are read.
#[derive(Deserialize)]
struct Json {
    modules: BTreeMap<String, JsonModule>,
}

#[derive(Deserialize)]
struct JsonModule {
    #[serde(default)]
    ports: BTreeMap<String, JsonPort>,
    #[serde(default)]
    cells: BTreeMap<String, JsonCell>,
}

#[derive(Deserialize)]
struct JsonPort {
    bits: Vec<JsonBit>,
}

#[derive(Deserialize)]
struct JsonCell {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    parameters: BTreeMap<String, String>,
    connections: BTreeMap<String, Vec<JsonBit>>,
}

/// A net's number, or one of `0`, `1`, `x` and `z`.
#[derive(Deserialize)]
#[serde(untagged)]
enum JsonBit {
    Net(u32),
    Constant(String),
}

fn bits(bits: Vec<JsonBit>) -> Vec<Bit> {
    let bit = |bit| match bit {
        JsonBit::Net(number) => Bit::Net(number),
        JsonBit::Constant(text) => Bit::Constant(text == "1"),
    };
    bits.into_iter().map(bit).collect()
}

/// A module of Yosys's JSON.
///
/// # Errors
/// The text is something else, or the module is absent.
pub fn design(json: &str, module: &str) -> Result<Design, Error> {
    let refused = |why: String| Error::Failed(format!("Yosys's netlist is not as expected: {why}"));
    let mut json: Json = serde_json::from_str(json).map_err(|error| refused(error.to_string()))?;
    let found = json.modules.remove(module).ok_or_else(|| refused(format!("it has no module {module}")))?;
    let cell = |(name, cell): (String, JsonCell)| Cell {
        name,
        kind: cell.kind,
        options: cell.parameters,
        pins: cell.connections.into_iter().map(|(pin, nets)| (pin, bits(nets))).collect(),
    };
    Ok(Design {
        ports: found.ports.into_iter().map(|(name, port)| (name, bits(port.bits))).collect(),
        cells: found.cells.into_iter().map(cell).collect(),
    })
}
