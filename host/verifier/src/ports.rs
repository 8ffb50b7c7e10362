//! Who uses which port in which cycle.

use super::rules::{By, Port, Rule};
use lpu_isa::Geometry;
use lpu_isa::instruction::Queue;

/// A port's users in the cycles to come. Issues come in order and use ports fewer than `WINDOW` cycles later, so a
/// cycle's place is free again when its turn comes.
#[derive(Clone)]
struct Users {
    port: Port,
    users: Vec<(i64, By)>,
}

const WINDOW: i64 = 512;
const NOBODY: (i64, By) = (-1, By { queue: Queue::Matrix, index: 0 });

impl Users {
    fn new(port: Port) -> Self {
        Self { port, users: vec![NOBODY; WINDOW as usize] }
    }

    fn take(&mut self, cycle: i64, by: By) -> Result<(), Rule> {
        let user = &mut self.users[(cycle & (WINDOW - 1)) as usize];
        if user.0 == cycle {
            return Err(Rule::Port { port: self.port, other: user.1, cycle });
        }
        *user = (cycle, by);
        Ok(())
    }

    /// The uses from a cycle on.
    fn pending(&self, cycle: i64) -> impl Iterator<Item = (i64, By)> + '_ {
        (cycle..cycle + WINDOW).filter_map(|at| {
            let user = self.users[(at & (WINDOW - 1)) as usize];
            (user.0 == at).then_some(user)
        })
    }

    fn shift(&mut self, cycle: i64, cycles: i64) {
        let moved: Vec<_> = self.pending(cycle).collect();
        self.users.fill(NOBODY);
        for (at, by) in moved {
            self.users[((at + cycles) & (WINDOW - 1)) as usize] = (at + cycles, by);
        }
    }
}

/// The ports of the memories.
#[derive(Clone)]
pub(super) struct Ports {
    weights: Users,
    kv: Users,
    /// Rows of sums and gathered rows, where vector memory has more than one port.
    matrix: Vec<Users>,
    /// One for all rows, or one for each half of them.
    vmem: Vec<Users>,
    vmem_rows_each: usize,
}

impl Ports {
    pub fn new(geometry: &Geometry) -> Self {
        let halves = [false, true].map(|upper| Users::new(Port::VmemHalf { upper }));
        let matrix = if geometry.has_external_memory() { vec![Users::new(Port::MatrixRow)] } else { vec![] };
        let (vmem, vmem_rows_each) = match geometry.has_external_memory() {
            true => (halves.to_vec(), (geometry.vmem_rows / 2).max(1)),
            false => (vec![Users::new(Port::Vmem)], geometry.vmem_rows),
        };
        Self { weights: Users::new(Port::Weights), kv: Users::new(Port::Kv), matrix, vmem, vmem_rows_each }
    }

    pub fn take_weights(&mut self, cycle: i64, by: By) -> Result<(), Rule> {
        self.weights.take(cycle, by)
    }

    pub fn take_kv(&mut self, cycle: i64, by: By) -> Result<(), Rule> {
        self.kv.take(cycle, by)
    }

    /// Uses the way of the matrix unit's rows.
    pub fn take_matrix(&mut self, cycle: i64, by: By) -> Result<(), Rule> {
        self.matrix.iter_mut().try_for_each(|users| users.take(cycle, by))
    }

    /// Uses the port of a row of vector memory that exists.
    pub fn take_vmem(&mut self, row: usize, cycle: i64, by: By) -> Result<(), Rule> {
        self.vmem[usize::from(row >= self.vmem_rows_each)].take(cycle, by)
    }

    /// The cycles after `cycle` in which each port is in use, counted from it.
    pub fn pending(&self, cycle: i64) -> Vec<Vec<i64>> {
        let of = |users: &Users| users.pending(cycle).map(|(at, _)| at - cycle).collect();
        self.all().map(of).collect()
    }

    /// Uses from `cycle` on happen `cycles` later.
    pub fn shift(&mut self, cycle: i64, cycles: i64) {
        let one = [&mut self.weights, &mut self.kv].into_iter();
        for users in one.chain(&mut self.matrix).chain(&mut self.vmem) {
            users.shift(cycle, cycles);
        }
    }

    fn all(&self) -> impl Iterator<Item = &Users> {
        [&self.weights, &self.kv].into_iter().chain(&self.matrix).chain(&self.vmem)
    }
}
