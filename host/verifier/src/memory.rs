//! Memories that begin with an image's rows: what a token reads there it wrote before, or no token ever writes.

use super::rules::{By, Location, Rule};
use super::state::Cell;
use super::walk::Issue;

/// A memory of rows.
pub(super) struct Memory {
    pub cells: Vec<Cell>,
    /// Rows from 0 that the image holds.
    image_rows: usize,
    /// Who reads a row as the image holds it.
    readers: Vec<Option<By>>,
    /// Reads of rows as the image holds them.
    pub constants_read: u64,
    location: fn(i64) -> Location,
}

impl Memory {
    pub fn new(rows: usize, image_rows: usize, location: fn(i64) -> Location) -> Self {
        let (cells, readers) = (vec![Cell::NEW; rows], vec![None; rows]);
        Self { cells, image_rows, readers, constants_read: 0, location }
    }

    /// The index of a row that exists.
    pub fn index(&self, row: i64) -> Result<usize, Rule> {
        in_range(row, self.cells.len(), (self.location)(row))
    }

    /// Reads a row. Whether this token wrote it; else it is a constant.
    pub fn read(&mut self, token: u32, issue: &Issue, row: usize, sample: i64) -> Result<bool, Rule> {
        let location = (self.location)(row as i64);
        let cell = &mut self.cells[row];
        if cell.read(token, issue, sample).map_err(|clash| clash.at(location))? {
            return Ok(true);
        }
        if row >= self.image_rows {
            return Err(Rule::Undriven { location });
        }
        if cell.token != 0 {
            return Err(Rule::ConstantLost { location, reader: issue.by, writer: cell.by });
        }
        self.readers[row] = Some(issue.by);
        self.constants_read += 1;
        Ok(false)
    }

    pub fn write(&mut self, token: u32, issue: &Issue, row: usize, effect: i64) -> Result<(), Rule> {
        let location = (self.location)(row as i64);
        if let Some(reader) = self.readers[row] {
            return Err(Rule::ConstantLost { location, reader, writer: issue.by });
        }
        self.cells[row].write(token, issue, effect).map_err(|clash| clash.at(location))
    }

    /// What counts of each row from a cycle on, as of [`Cell::state`], and whether it was read as a constant.
    pub fn state(&self, token: u32, cycle: i64) -> impl Iterator<Item = ((u8, i64), bool)> + '_ {
        let states = self.cells.iter().map(move |cell| cell.state(token, cycle));
        states.zip(self.readers.iter().map(Option::is_some))
    }

    /// Moves what is known of each row to the row `rows` further on, modulo their number.
    pub fn rotate(&mut self, rows: usize) {
        self.cells.rotate_right(rows);
        self.readers.rotate_right(rows);
    }
}

pub(super) fn in_range(address: i64, rows: usize, location: Location) -> Result<usize, Rule> {
    match usize::try_from(address) {
        Ok(index) if index < rows => Ok(index),
        _ => Err(Rule::Address { location, rows }),
    }
}
