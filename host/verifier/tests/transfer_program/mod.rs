//! A small legal program for chips with external memory, with every way of a transfer in it: an embedding by token,
//! layers in a loop whose weights pass through the ring of weight memory, keys that come and go in blocks, and a
//! classifier in a loop that fetches the rows of the next trip and writes logits back.
//!
//! ```text
//! granules: | embedding | layer 0 | layer 1 | ... | classifier | image ends | keys of layer 0 | ... | logits
//! ```

use lpu_isa::image::{Image, ModelInfo};
use lpu_isa::instruction::*;
use lpu_isa::transfer::{Frames, Layout};
use lpu_isa::{Geometry, timing};

/// What the program is for.
#[derive(Clone, Copy)]
pub struct Shape {
    pub geometry: Geometry,
    pub context: u32,
    pub layers: i32,
    /// Matrices of a layer.
    pub matrices: i32,
    /// Rows of a matrix that are multiplied with one entry after another, and how many results it has.
    pub pieces: u32,
    pub results: i32,
    /// Trips of the classifier, each with a matrix.
    pub classifier: i32,
    /// Cycles from beat to beat.
    pub interval: u32,
}

impl Shape {
    /// Layers whose rows go round the ring, on a small chip.
    pub fn small() -> Self {
        Self {
            geometry: Geometry::NANO_SDRAM,
            context: 20,
            layers: 7,
            matrices: 2,
            pieces: 4,
            results: 40,
            classifier: 6,
            interval: 6,
        }
    }

    /// As small, on the chip with DDR3.
    pub fn wide() -> Self {
        Self { geometry: Geometry::ECP5_DDR3, context: 34, results: 64, interval: 6, ..Self::small() }
    }

    /// The size of SmolLM2-135M: 30 layers of 3.5 million weights, 49,152 tokens, 512 positions.
    pub fn smollm2() -> Self {
        Self {
            geometry: Geometry { dram_granules: 1 << 21, ..Geometry::ECP5_DDR3 },
            context: 512,
            layers: 30,
            matrices: 4,
            pieces: 9,
            results: 1536,
            classifier: 32,
            interval: 5,
        }
    }

    fn lanes(&self) -> i32 {
        self.geometry.vxm_lanes as i32
    }

    /// Rows of a matrix.
    fn rows(&self) -> i32 {
        self.results * self.pieces as i32
    }

    /// Rows of results of a matrix.
    fn rows_of_results(&self) -> i32 {
        self.results / self.lanes()
    }

    fn vocab(&self) -> u32 {
        (self.classifier * self.results) as u32
    }

    /// The weights of a matrix on their way to the ring.
    fn weights(&self) -> Transfer {
        let blocks = self.pieces * self.geometry.mxm_lanes as u32 / 32;
        Transfer {
            format: Format::Codes4,
            run: self.rows() as u32,
            row_step: 1,
            blocks,
            shift: 8,
            row_offset: true,
            address_offset: true,
            ..Transfer::default()
        }
    }

    fn granules(&self, transfer: &Transfer) -> i32 {
        Layout::of(&self.geometry, transfer).run_granules() as i32
    }

    /// Granules of a matrix.
    fn matrix(&self) -> i32 {
        self.granules(&self.weights())
    }

    fn layer(&self) -> i32 {
        self.matrices * self.matrix() + 1
    }

    /// A block of keys, one row for each of its positions.
    fn keys(&self) -> Transfer {
        Transfer {
            way: Way::Kv,
            run: self.lanes() as u32,
            row_step: 1,
            run_step: self.lanes(),
            row: KEYS,
            address: self.keys_at() as u32,
            address_offset: true,
            ..Transfer::default()
        }
    }

    fn embedding(&self) -> Transfer {
        let run = 32 / self.lanes() as u32;
        Transfer { way: Way::Vmem, format: Format::Codes8, blocks: 1, shift: 2, run, ..Transfer::default() }
    }

    fn layers_at(&self) -> i32 {
        self.vocab() as i32 * self.granules(&self.embedding())
    }

    fn classifier_at(&self) -> i32 {
        self.layers_at() + self.layers * self.layer()
    }

    fn keys_at(&self) -> i32 {
        // The last trip of the classifier fetches a matrix that none multiplies.
        self.classifier_at() + (self.classifier + 1) * self.matrix()
    }

    fn logits_at(&self) -> i32 {
        let blocks = self.context as i32 / self.lanes() + 1;
        self.keys_at() + (self.layers - 1) * self.layer() + blocks * self.granules(&self.keys())
    }
}

/// Row of KV memory of position 0's key.
const KEYS: u32 = 16;
/// Rows of vector memory: the embedding, a layer's constant, scores, results.
const EMBEDDING: u32 = 16;
const CONSTANT: u32 = 24;
const SCORES: u32 = 32;
/// Cycles of a segment after which everything that the one before issued has taken effect.
const SETTLED: i32 = 64;

fn results_at(geometry: &Geometry) -> u32 {
    geometry.vmem_rows as u32 / 2 + 8
}

/// A queue's program with the cycle, counted from the last meeting, in which the next instruction is activated.
#[derive(Default)]
struct Builder {
    words: Vec<Word>,
    now: i32,
}

impl Builder {
    fn put(&mut self, control: Control, op: impl Into<Op>) {
        self.words.push(Instruction { control, op: op.into() }.encode().expect("fields fit"));
    }

    /// Issues `count` times from `cycle` on.
    fn issue(&mut self, cycle: i32, count: i32, interval: u32, op: impl Into<Op>) {
        let delay = Affine::fixed(cycle - self.now);
        self.put(Control { delay, count: Affine::fixed(count), interval }, op);
        self.now = cycle + count * interval as i32;
    }

    /// Issues `count` times a block begun; the cycles after it are known from the next meeting on.
    fn issue_blocks(&mut self, delay: i32, count: i32, op: impl Into<Op>) {
        let count = Affine { constant: 0, per_block: count };
        self.put(Control { delay: Affine::fixed(delay), count, interval: 1 }, op);
    }

    /// Moves granules from the soonest slot on, or later.
    fn transfer(&mut self, delay: i32, count: i32, transfer: Transfer) {
        let count = Affine::fixed(count);
        self.put(Control { delay: Affine::fixed(delay), count, interval: 1 }, transfer);
    }

    fn wait(&mut self, delay: i32) {
        self.put(Control::after(delay), Nop {});
    }

    fn meet(&mut self, op: impl Into<Op>) {
        self.put(Control::default(), op);
        self.now = 0;
    }

    fn begin_loop(&mut self, trips: i32) {
        let control = Control { delay: Affine::fixed(4), count: Affine::fixed(trips), interval: 1 };
        self.put(control, Loop {});
        self.now = 4;
    }
}

/// The queues.
#[derive(Default)]
struct Program {
    matrix: Builder,
    vector: Builder,
    transfer: Builder,
}

impl Program {
    fn all(&mut self) -> [&mut Builder; 3] {
        [&mut self.matrix, &mut self.vector, &mut self.transfer]
    }

    fn sync(&mut self) {
        self.all().into_iter().for_each(|queue| queue.meet(Sync {}));
    }

    fn begin_loop(&mut self, trips: i32) {
        self.all().into_iter().for_each(|queue| queue.begin_loop(trips));
    }

    /// Ends a loop: rows of weights, candidates, granules that each trip moves on.
    fn end_loop(&mut self, rows: i32, candidates: i32, granules: i32) {
        self.matrix.meet(EndLoop { first_step: rows, second_step: 0 });
        self.vector.meet(EndLoop { first_step: 0, second_step: candidates });
        self.transfer.meet(EndLoop { first_step: granules, second_step: rows });
    }
}

pub fn legal(shape: &Shape) -> Image {
    let mut program = Program::default();
    embed(&mut program, shape);
    layers(&mut program, shape);
    classify(&mut program, shape);
    program.all().into_iter().for_each(|queue| {
        queue.wait(SETTLED);
        queue.meet(End {});
    });
    Image {
        model: ModelInfo {
            name: "stream".into(),
            vocab: shape.vocab(),
            context: shape.context,
            ..ModelInfo::default()
        },
        matrix: program.matrix.words,
        vector: program.vector.words,
        transfer: program.transfer.words,
        vmem: vec![1; 4 * shape.geometry.vxm_lanes],
        dram: vec![0; shape.keys_at() as usize * shape.geometry.granule_bytes()],
        ..Image::empty(shape.geometry)
    }
}

/// The token's row as all entries.
fn embed(program: &mut Program, shape: &Shape) {
    let embedding = shape.embedding();
    let granules = shape.granules(&embedding);
    let item = Transfer { step_by: StepBy::Token, address_step: granules as u32, row_step: 1, ..embedding };
    program.transfer.transfer(0, granules, Transfer { row: EMBEDDING, ..item });
    program.sync();
    spread(program, shape, EMBEDDING);
    program.sync();
}

/// A row of vector memory as the entries that a matrix reads.
fn spread(program: &mut Program, shape: &Shape, row: u32) {
    let spread = Vector { vmem: row, b: B::Scalar, scalar: 2 * shape.geometry.scalars as u32, ..unit() };
    let spread =
        Vector { destination: Destination::Act, entry_advance: true, length: 1, period: 1, ..spread };
    program.vector.issue(SETTLED, shape.pieces as i32, 2, spread);
}

fn unit() -> Vector {
    Vector { shift: 4, ..Vector::default() }
}

fn layers(program: &mut Program, shape: &Shape) {
    let layer = shape.layers_at();
    program.begin_loop(shape.layers);
    let constant =
        Transfer { way: Way::Vmem, run: 1, row: CONSTANT, address_offset: true, ..Transfer::default() };
    program.transfer.transfer(4, 1, Transfer { address: layer as u32, ..constant });
    let keys = shape.keys();
    program.transfer.put(
        Control {
            count: Affine { constant: 0, per_block: shape.granules(&keys) },
            interval: 1,
            ..Control::default()
        },
        keys,
    );
    program.sync();
    for matrix in 0..shape.matrices {
        let address = layer + 1 + matrix * shape.matrix();
        multiply(program, shape, address, matrix * shape.rows(), 0);
        program.sync();
        if matrix == 0 {
            key(program, shape);
            program.sync();
            scores(program, shape);
            program.sync();
        }
        spread(program, shape, results_at(&shape.geometry));
        program.sync();
    }
    program.end_loop(shape.matrices * shape.rows(), 0, shape.layer());
}

/// A matrix comes and is multiplied: `ahead` rows and granules further on than the rows that are multiplied.
fn multiply(program: &mut Program, shape: &Shape, address: i32, row: i32, ahead: i32) {
    let weights = Transfer { address: address as u32, row: (row + ahead) as u32, ..shape.weights() };
    program.transfer.transfer(0, shape.matrix(), weights);
    let dot = Dot {
        row: row as u32,
        row_step: 1,
        offset: true,
        entry_advance: true,
        pieces: shape.pieces,
        ..Dot::default()
    };
    let dot = Dot { tap: shape.geometry.mxm_lanes.ilog2(), lane_advance: true, clear: Clear::First, ..dot };
    let dot = Dot { emit: Emit::Wrap, shift: 6, store: results_at(&shape.geometry), ..dot };
    let first = if ahead == 0 { first_beat(shape, &weights) } else { SETTLED };
    program.matrix.issue(first, shape.rows(), shape.interval, dot);
}

/// The first cycle from which a beat may be issued with each interval, all rows having arrived.
fn first_beat(shape: &Shape, weights: &Transfer) -> i32 {
    let layout = Layout::of(&shape.geometry, weights);
    let frames = Frames::of(&shape.geometry);
    let start = frames.slot_from(timing::TRANSFER_LEAD);
    let late = |row: i32| {
        let (run, k) = (row as usize / layout.run(), row as usize % layout.run());
        let (granule, word) = layout.word_of(layout.row_bits(k).1 - 1);
        let slot = start + (run * layout.run_granules() + granule) as i64;
        let port = timing::transfer_store_port(&shape.geometry);
        let shows = frames.begin(slot) + word as i64 + timing::store_effect(port);
        (shows - timing::MATRIX_ROW_SAMPLE) as i32 - row * shape.interval as i32
    };
    (0..shape.rows()).map(late).max().expect("rows").max(SETTLED)
}

/// The key of this position.
fn key(program: &mut Program, shape: &Shape) {
    let key =
        Vector { vmem: results_at(&shape.geometry), b: B::Vmem, destination: Destination::Key, ..unit() };
    program.vector.issue(SETTLED, 1, 1, Vector { length: 1, period: 1, row: KEYS, c: C::Vmem, ..key });
    let constant =
        Vector { vmem: CONSTANT, b: B::Scalar, scalar: 2 * shape.geometry.scalars as u32, ..unit() };
    program.vector.issue(SETTLED + 8, 1, 1, Vector { write: true, target: 3, ..constant });
}

/// The scores of all positions, while the open block goes back.
fn scores(program: &mut Program, shape: &Shape) {
    let dot = Dot {
        memory: Memory::Kv,
        row: KEYS,
        row_step: 1,
        tap: shape.geometry.mxm_lanes.ilog2(),
        ..Dot::default()
    };
    let dot =
        Dot { lane_advance: true, clear: Clear::Always, emit: Emit::Wrap, mask: true, store: SCORES, ..dot };
    program.matrix.issue_blocks(SETTLED, shape.lanes(), dot);
    let keys = shape.keys();
    let granules = shape.granules(&keys);
    let open = Transfer { way: Way::FromKv, step_by: StepBy::Block, address_step: granules as u32, ..keys };
    program.transfer.transfer(SETTLED, granules, Transfer { row_number_step: shape.lanes() as u32, ..open });
}

/// Each trip fetches the next one's rows where the ring holds both, compares its results and writes them back.
fn classify(program: &mut Program, shape: &Shape) {
    let ahead = if 2 * shape.rows() <= shape.geometry.weight_rows as i32 { shape.rows() } else { 0 };
    if ahead > 0 {
        let first = Transfer { address: shape.classifier_at() as u32, ..shape.weights() };
        program.transfer.transfer(0, shape.matrix(), first);
    }
    let first = Vector { b: B::Scalar, scalar: 2 * shape.geometry.scalars as u32, ..unit() };
    program.vector.issue(SETTLED, 1, 1, Vector { destination: Destination::Argmax, restart: true, ..first });
    program.sync();
    program.begin_loop(shape.classifier);
    program.all().into_iter().for_each(|queue| queue.meet(Sync {}));
    let address = shape.classifier_at() + if ahead > 0 { shape.matrix() } else { 0 };
    multiply(program, shape, address, 0, ahead);
    program.sync();
    let rows = shape.rows_of_results();
    let results = results_at(&shape.geometry);
    let choose = Vector { vmem: results, vmem_advance: true, b: B::Scalar, ..unit() };
    let choose =
        Vector { scalar: 2 * shape.geometry.scalars as u32 + 1, c: C::Noise, row_offset: true, ..choose };
    let choose = Vector { destination: Destination::Argmax, row_step: 1, ..choose };
    program.vector.issue(SETTLED, rows, shape.geometry.vxm_lanes as u32, choose);
    let logits =
        Transfer { way: Way::FromVmem, run: rows as u32, row_step: 1, row: results, ..Transfer::default() };
    let logits = Transfer { address: shape.logits_at() as u32, address_offset: true, ..logits };
    program.transfer.transfer(SETTLED, shape.granules(&logits), logits);
    program.end_loop(shape.rows(), rows, shape.matrix());
}
