//! The vector side by the cycle: memories, and what each issue samples, computes and writes, with the numbers of
//! `lpu_isa::timing`.

use super::*;

/// One cycle of a program in which the payload is valid.
#[derive(Clone, Copy)]
pub struct Issue {
    pub vector: Vector,
    pub k: i64,
    pub last: bool,
    pub strobe: bool,
    pub offsets: [i64; 2],
}

/// What goes to KV memory.
#[derive(Clone)]
pub struct Kv {
    pub value: bool,
    pub row: u64,
    /// Lane (value) or half rows (key).
    pub place: u64,
    pub codes: Vec<i64>,
}

/// What the ports must show in a cycle.
#[derive(Clone, Default)]
pub struct Expected {
    pub act: Option<(u64, u64, Vec<i64>)>,
    pub kv: Option<Kv>,
    pub vreg: Option<(u64, Vec<i64>)>,
    pub store: Option<(u64, Vec<i64>)>,
    pub scalar: Option<(u64, u64)>,
    /// The choice from this cycle on: number + 1.
    pub chosen: Option<u64>,
    pub result_saturated: bool,
    pub sent_saturated: bool,
    pub conflict: bool,
    pub vmem_address: bool,
    pub matrix_address: bool,
    pub scalar_conflict: bool,
}

enum Write {
    Vmem(usize, Vec<i32>),
    Vreg(usize, Vec<i32>),
    Maximum(usize, i32),
    Reduction(usize, Scalar),
}

/// An issue on its way.
struct Started {
    issue: Issue,
    at: usize,
    vmem: Vec<i32>,
}

pub struct Model {
    chip: Geometry,
    pub vmem: Vec<Vec<i32>>,
    vreg: Vec<Vec<i32>>,
    maxima: Vec<Scalar>,
    reductions: Vec<Scalar>,
    pub temperature: Scalar,
    noise: Taus88,
    pub position: usize,
    pub token: usize,
    sums: Vec<i32>,
    entry: usize,
    following: usize,
    best: Option<(i32, usize)>,
    now: usize,
    started: Vec<Started>,
    writes: BTreeMap<usize, Vec<Write>>,
    pub expected: BTreeMap<usize, Expected>,
    /// Rows sent to each destination, conflicts, faults: a test that never meets one is no test.
    pub counts: [usize; 9],
}

impl Model {
    pub fn new(chip: &Geometry, seed: u32) -> Self {
        let lanes = chip.vxm_lanes;
        Self {
            chip: *chip,
            vmem: vec![vec![0; lanes]; chip.vmem_rows],
            vreg: vec![vec![0; lanes]; chip.vreg_rows],
            maxima: vec![Scalar::default(); chip.scalars],
            reductions: vec![Scalar::default(); chip.scalars],
            temperature: Scalar::default(),
            noise: Taus88::new(seed),
            position: 0,
            token: 0,
            sums: vec![0; lanes],
            entry: 0,
            following: 0,
            best: None,
            now: 0,
            started: vec![],
            writes: BTreeMap::new(),
            expected: BTreeMap::new(),
            counts: [0; 9],
        }
    }

    fn expect(&mut self, cycle: i64) -> &mut Expected {
        self.expected.entry(cycle as usize).or_default()
    }

    fn write(&mut self, effect: i64, write: Write) {
        self.writes.entry(effect as usize).or_default().push(write);
    }

    /// Rows and maxima from the matrix side, at random.
    pub fn matrix_side(&mut self, stimulus: &mut Stimulus, random: &mut Random) {
        if random.below(8) == 0 {
            let row = random.below(self.chip.vmem_rows as u64) as usize;
            let words: Vec<i32> = self.vmem[row].iter().map(|_| random.signed(18) as i32).collect();
            stimulus.set("store", 1).set_before("store_row_next", row as u64);
            for (lane, word) in words.iter().enumerate() {
                stimulus.set_signed(&format!("store_row${lane}"), i64::from(*word));
            }
            // A result in the same cycle is what is written: the circuit's choice, which a legal program never meets.
            let now = self.now;
            let queued = self.writes.entry(now + 1).or_default();
            let conflict = queued.iter().any(|write| matches!(write, Write::Vmem(..)));
            if !conflict {
                queued.push(Write::Vmem(row, words));
            }
            self.counts[7] += usize::from(conflict);
            self.expect(now as i64 + 1).conflict |= conflict;
        }
        if random.below(8) == 0 {
            let (index, value) = (random.below(self.chip.scalars as u64), random.signed(18));
            stimulus.set("maximum_write", 1).set("maximum_index", index).set_signed("maximum_value", value);
            self.write(self.now as i64 + 1, Write::Maximum(index as usize, value as i32));
        }
    }

    /// One cycle: writes that take effect, samples of earlier issues, a new issue.
    pub fn cycle(&mut self, issue: Option<Issue>) {
        for write in self.writes.remove(&self.now).unwrap_or_default() {
            match write {
                Write::Vmem(row, words) => self.vmem[row] = words,
                Write::Vreg(row, lanes) => self.vreg[row] = lanes,
                Write::Maximum(index, mantissa) => self.maxima[index] = Scalar { mantissa, exponent: 0 },
                Write::Reduction(index, scalar) => self.reductions[index] = scalar,
            }
        }
        let now = self.now;
        for mut started in std::mem::take(&mut self.started) {
            if now - started.at == timing::VMEM_SAMPLE as usize {
                started.vmem = self.read_vmem(&started);
            }
            if now - started.at == timing::VREG_SAMPLE as usize {
                self.execute(started);
            } else {
                self.started.push(started);
            }
        }
        self.started.extend(issue.map(|issue| Started { issue, at: now, vmem: vec![] }));
        self.now += 1;
    }

    /// Row of vector memory that the first issue of an instruction reads.
    pub fn vmem_start(&self, issue: &Issue) -> i64 {
        let (v, lanes) = (&issue.vector, self.chip.vxm_lanes);
        let index = match v.vmem_index {
            VmemIndex::None => 0,
            VmemIndex::TokenRow => self.token / lanes,
            VmemIndex::PositionRow => self.position / lanes,
            VmemIndex::PositionLane => self.position % lanes,
        };
        let offset = if v.vmem_offset { issue.offsets[0] } else { 0 };
        i64::from(v.vmem) + offset + index as i64
    }

    fn read_vmem(&mut self, Started { issue, at, .. }: &Started) -> Vec<i32> {
        let v = &issue.vector;
        let row = self.vmem_start(issue) + if v.vmem_advance { issue.k } else { 0 };
        let rows = self.chip.vmem_rows as i64;
        if (v.x == X::Vmem || v.b == B::Vmem || v.c == C::Vmem) && !(0..rows).contains(&row) {
            self.expect(*at as i64 + 2).vmem_address = true;
        }
        self.vmem[row.rem_euclid(rows) as usize].clone()
    }

    fn scalar(&self, number: usize) -> Scalar {
        let n = self.chip.scalars;
        match number {
            _ if number < n => self.maxima[number],
            _ if number < 2 * n => self.reductions[number - n],
            _ if number == 2 * n => Scalar::ONE,
            _ if number == 2 * n + 1 => self.temperature,
            _ => Scalar::default(),
        }
    }

    /// Whether a reduction is written in this cycle, in which it is read.
    fn meets_write(&self, number: usize) -> bool {
        let next = self.writes.get(&(self.now + 1));
        let hits =
            |write: &Write| matches!(write, Write::Reduction(at, _) if at + self.chip.scalars == number);
        next.is_some_and(|writes| writes.iter().any(hits))
    }

    fn execute(&mut self, started: Started) {
        let Started { issue, at, vmem } = started;
        let (v, k, at) = (issue.vector, issue.k as usize, at as i64);
        let register =
            |row: u32, advances: bool| (row as usize + if advances { k } else { 0 }) % self.chip.vreg_rows;
        let a = self.vreg[register(v.a, v.a_advance)].clone();
        let bc = self.vreg[register(v.bc, v.bc_advance)].clone();
        let target = register(v.target, v.target_advance);
        let number = v.scalar as usize + k * v.scalar_step as usize;
        let scales = v.function == Function::Multiply;
        let pair = v.b == B::ScalarPair && scales;
        let reads = v.subtract || (v.b == B::Scalar && scales) || pair;
        if reads && (self.meets_write(number) || (pair && self.meets_write(number + 1))) {
            self.counts[8] += 1;
            self.expect(at + 3).scalar_conflict = true;
        }
        let scalars = [self.scalar(number), self.scalar(if pair { number + 1 } else { number })];
        let c = match v.c {
            C::Zero => vec![0; a.len()],
            C::VregB => bc.clone(),
            C::Vmem => vmem.clone(),
            C::Noise => a.iter().map(|_| arith::gumbel(self.noise.next())).collect(),
        };
        let (y, saturated) = compute(&v, &vmem, &a, &bc, &c, scalars);
        self.expect(at + RESULT + 2).result_saturated = saturated;
        if v.write {
            self.expect(at + RESULT).vreg = Some((target as u64, wide(&y)));
            self.write(at + timing::VREG_EFFECT, Write::Vreg(target, y.clone()));
        }
        self.send(&issue, at, &y);
        self.reduce(&issue, at, &y);
    }

    fn send(&mut self, issue: &Issue, at: i64, y: &[i32]) {
        let v = &issue.vector;
        self.counts[v.destination as usize] += 1;
        let sub = v.sub as usize + if v.sub_advance { issue.k as usize } else { 0 };
        let half = y.len() / 2;
        let z: Vec<i32> = match v.half {
            true => (0..y.len()).map(|lane| y[sub % 2 * half + lane % half]).collect(),
            false => y.to_vec(),
        };
        let over =
            |row: &[i32], bits: u32| row.iter().any(|&x| arith::saturate(x.into(), bits) != i64::from(x));
        let limited =
            |row: &[i32], bits: u32| row.iter().map(|&x| arith::saturate(x.into(), bits)).collect::<Vec<_>>();
        let code = |x: i32| i64::from(arith::kv_encode(x));
        let sent = match v.destination {
            Destination::None => false,
            Destination::Act => {
                let mask = self.mask(v, issue.k, 0);
                let entry = self.next_entry(v, issue.k) as u64;
                self.expect(at + timing::STREAM + Distribute::LATENCY as i64).act =
                    Some((mask, entry, limited(&z, 16)));
                over(&z, 16)
            }
            Destination::Key => {
                let within = self.position & ((1 << v.positions) - 1);
                let place = self.mask(v, issue.k, within * (self.chip.halves() >> v.positions));
                let kv = Kv {
                    value: false,
                    row: self.kv_row(issue, at),
                    place,
                    codes: z.iter().map(|&x| code(x)).collect(),
                };
                self.expect(at + timing::STREAM + Distribute::LATENCY as i64).kv = Some(kv);
                over(&z, 10)
            }
            Destination::Value => {
                let groups = self.chip.groups();
                let codes = (0..groups).map(|g| code(y[(sub * groups + g) % y.len()])).collect();
                let place = (self.position % y.len()) as u64;
                let kv = Kv { value: true, row: self.kv_row(issue, at), place, codes };
                self.expect(at + timing::STREAM + Distribute::LATENCY as i64).kv = Some(kv);
                over(y, 10)
            }
            Destination::Vmem => {
                self.store(issue, at, limited(y, WORD_BITS));
                over(y, 18)
            }
            Destination::Argmax => {
                self.compare(issue, at, y);
                false
            }
        };
        self.expect(at + timing::STREAM + 3).sent_saturated = sent;
    }

    fn mask(&self, v: &Vector, k: i64, moved: usize) -> u64 {
        let start = i64::from(v.start) + k * i64::from(v.start_step) + moved as i64;
        let written = |h: i64| (h - start).rem_euclid(1 << v.period) < 1 << v.length;
        (0..self.chip.halves() as i64).filter(|&h| written(h)).fold(0, |mask, h| mask | 1 << h)
    }

    fn next_entry(&mut self, v: &Vector, k: i64) -> usize {
        let entries = self.chip.act_entries;
        if k == 0 {
            self.entry = if v.entry_continue { self.following } else { v.entry as usize };
        } else if v.entry_advance {
            self.entry = (self.entry + 1) % entries;
        }
        self.following = (self.entry + 1) % entries;
        self.entry
    }

    fn kv_row(&mut self, issue: &Issue, at: i64) -> u64 {
        let v = &issue.vector;
        let offset = if v.row_offset { issue.offsets[1] } else { 0 };
        let index = (self.position >> v.positions) as i64;
        let row = i64::from(v.row) + offset + issue.k * i64::from(v.row_step) + index;
        let rows = self.chip.kv_rows as i64;
        if !(0..rows).contains(&row) {
            self.expect(at + 5).matrix_address = true;
        }
        row.rem_euclid(rows) as u64
    }

    fn store(&mut self, issue: &Issue, at: i64, words: Vec<i64>) {
        let row = i64::from(issue.vector.row) + issue.k * i64::from(issue.vector.row_step);
        let rows = self.chip.vmem_rows as i64;
        if !(0..rows).contains(&row) {
            self.counts[6] += 1;
            self.expect(at + 5).vmem_address = true;
        }
        let row = row.rem_euclid(rows) as usize;
        let lanes = words.iter().map(|&word| word as i32).collect();
        self.expect(at + timing::RESULT_STORE_PORT).store = Some((row as u64, words));
        self.write(timing::store_effect(at + timing::RESULT_STORE_PORT), Write::Vmem(row, lanes));
    }

    fn compare(&mut self, issue: &Issue, at: i64, y: &[i32]) {
        let v = &issue.vector;
        if v.restart && issue.k == 0 {
            self.best = None;
        }
        let first = (i64::from(v.row) + issue.k * i64::from(v.row_step)) as usize * y.len();
        let tail = if issue.last && v.tail != 0 { v.tail as usize } else { y.len() };
        for (lane, &value) in y.iter().enumerate().take(tail) {
            let better =
                |(best, holder): (i32, usize)| value > best || (value == best && first + lane < holder);
            if self.best.is_none_or(better) {
                self.best = Some((value, first + lane));
            }
        }
        let chosen = self.best.map_or(0, |(_, number)| number as u64 + 1);
        self.expect(at + timing::argmax_effect(&self.chip)).chosen = Some(chosen);
    }

    /// The choice, where there is a candidate.
    pub fn known_choice(&self, chosen: u64) -> Option<u64> {
        chosen.checked_sub(1)
    }

    fn reduce(&mut self, issue: &Issue, at: i64, y: &[i32]) {
        let v = &issue.vector;
        let chosen = match v.reduce {
            Reduce::None => return,
            Reduce::All => None,
            Reduce::TokenLane => Some(self.token % y.len()),
            Reduce::PositionLane => Some(self.position % y.len()),
        };
        if issue.k == 0 {
            self.sums.fill(0);
        }
        for (lane, (sum, y)) in self.sums.iter_mut().zip(y).enumerate() {
            *sum = sum.wrapping_add(if chosen.is_none_or(|chosen| chosen == lane) { *y } else { 0 });
        }
        if !issue.last {
            return;
        }
        let total = self.sums.iter().map(|&sum| i64::from(sum)).sum::<i64>() + i64::from(v.bias);
        let positive = total.clamp(0, i64::from(u32::MAX)) as u32;
        let scalar = match v.scaling {
            Scaling::Plain => {
                let mantissa = arith::saturate(arith::round_shift(total, v.sum_shift), WORD_BITS) as i32;
                Scalar { mantissa, exponent: 0 }
            }
            Scaling::Reciprocal => arith::reciprocal(positive),
            Scaling::ReciprocalSqrt => arith::reciprocal_sqrt(positive),
        };
        let index = v.reduction as usize;
        let effect = at + timing::reduction_effect(&self.chip);
        self.expect(effect - 1).scalar = Some((index as u64, packed(scalar)));
        self.write(effect, Write::Reduction(index, scalar));
    }
}

fn wide(row: &[i32]) -> Vec<i64> {
    row.iter().map(|&lane| lane.into()).collect()
}

/// The function of all lanes, and whether one saturated.
fn compute(
    v: &Vector,
    vmem: &[i32],
    a: &[i32],
    bc: &[i32],
    c: &[i32],
    scalars: [Scalar; 2],
) -> (Vec<i32>, bool) {
    let lanes = a.len();
    let mut saturated = false;
    let x = |lane: usize| {
        let from = if v.swap { lane ^ 1 } else { lane };
        let x = if v.x == X::Vmem { vmem[from] } else { arith::operand(a[from], v.x_shift) };
        if v.subtract { arith::subtract(x, scalars[0].mantissa) } else { x }
    };
    let mut sum = |product: i64, shift: i32, c: i32| {
        let exact = arith::round_shift(product, shift.clamp(0, arith::SHIFT_MAX) as u32);
        let shifted = arith::shift_product(product, shift);
        let result = arith::add(shifted, c);
        saturated |= exact != i64::from(shifted) || result != shifted + c;
        result
    };
    let y = (0..lanes)
        .map(|lane| {
            let scalar = scalars[lane / (lanes / 2)];
            let (b, exponent) = match v.b {
                B::Vmem => (vmem[lane], 0),
                B::VregA => (arith::operand(a[lane], 0), 0),
                B::VregB => (arith::operand(bc[lane], 0), 0),
                B::Scalar | B::ScalarPair => (scalar.mantissa, scalar.exponent),
                B::X => (x(lane), 0),
            };
            let y = match v.function {
                Function::Multiply => sum(i64::from(x(lane)) * i64::from(b), v.shift + exponent, c[lane]),
                Function::Exp2 => {
                    let (first, second, extra) = arith::exp2_factors(x(lane));
                    sum(i64::from(first) * i64::from(second), v.shift + extra, c[lane])
                }
                Function::Sigmoid => arith::sigmoid(x(lane)),
            };
            if v.relu { y.max(0) } else { y }
        })
        .collect();
    (y, saturated)
}
