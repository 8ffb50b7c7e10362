//! What each operation does, as pseudocode: the only text of `ISA.md` that stands nowhere else.

/// The pseudocode of an operation.
pub fn of(name: &str) -> &'static str {
    match name {
        "Nop" => "next instruction in cycle a + delay\n",
        "Loop" => {
            "trips = count; offsets of this queue = 0\n\
             next instruction in cycle a + delay\n"
        }
        "EndLoop" => {
            "m = the latest of the queues' activations of their EndLoop\n\
             if trips remain:  offset first += first_step; offset second += second_step\n\
             \x20                 instruction after Loop in cycle m + SYNC_CYCLES\n\
             else:             offsets = 0\n\
             \x20                 next instruction in cycle m + SYNC_CYCLES\n"
        }
        "Sync" => {
            "m = the latest of the queues' activations of their Sync\n\
             next instruction in cycle m + SYNC_CYCLES\n"
        }
        "End" => {
            "the token ends TURNAROUND_CYCLES after the latest of the queues' activations of their End\n"
        }
        "Dot" => DOT,
        "Gather" => GATHER,
        "Vector" => VECTOR,
        "Transfer" => TRANSFER,
        _ => panic!("write the pseudocode of {name}"),
    }
}

const DOT: &str = "\
emitted = 0; largest = none
for beat k = 0 .. count-1, in cycle a + delay + k * interval:
  r = row + k * row_step + (offset ? loop offset of this memory : 0)            with external memory modulo the weight rows
  m[l] = memory is Weights ? W[r][l] : kv_decode(KV[r][l])
  e = k == 0 ? (entry_continue ? entry of the last beat before + 1 : entry)
             : e + (entry_advance ? 1 : 0)                                      modulo act_entries
  n = L >> tap;  j = k
  s[i] = sum of m[l] * ACT[e][l] for l = i * 2^tap .. (i+1) * 2^tap - 1         32 bits, wraps
  if pieces > 1:  p = k mod pieces;  j = k div pieces;  e = (e of beat 0) + (entry_advance ? p : 0)   modulo act_entries
  lane0 = (lane + (lane_advance ? j * n : 0)) mod V
  clears = clear is Always, or First and k == 0 (pieces > 1: and p == 0)
  SUMS[lane0 + i] = (clears ? 0 : SUMS[lane0 + i]) + s[i]  for i = 0 .. n-1     32 bits, wraps
  if (emit is Wrap or WrapOrLast, and lane0 + n == V, and with pieces > 1 p == pieces-1) or (emit is Last or WrapOrLast, and k == count-1):
    out[l] = normalise(SUMS[l], shift)  for all l
    if mask and k == count-1:  out[l] = WORD_MIN  for l > position mod V
    VMEM[store + emitted] = out; emitted += 1
    largest = max(largest, all lanes of out)
if maximum:  scalar[scalar] = (mantissa largest, exponent 0)
";

const GATHER: &str = "\
for k = 0 .. count-1, in cycle a + delay + k * interval:
  c = ((index is Token ? input token : position) << chunks) + k
  VMEM[store + k][l] = W[row + c / G][(c mod G) * V + l]  for l = 0 .. V-1
";

const VECTOR: &str = "\
total[l] = 0
for k = 0 .. count-1, in cycle a + delay + k * interval:
  v = vmem + (vmem_index: 0, input token / V, position / V, position mod V) + (vmem_advance ? k : 0)
      + (vmem_offset ? first loop offset : 0)
  va = a + (a_advance ? k : 0);  vb = bc + (bc_advance ? k : 0);  s = scalar + k * scalar_step
  x[l] = x is Vmem ? VMEM[v][l] : operand(VREG[va][l], x_shift)
  if swap:      x[l] = x[l xor 1]
  if subtract:  x[l] = subtract(x[l], scalar[s].mantissa)
  b[l] = VMEM[v][l], operand(VREG[va][l], 0), operand(VREG[vb][l], 0), scalar[s], or x[l]
         ScalarPair: scalar[s] for l < V/2, scalar[s+1] above
  c[l] = 0, VREG[vb][l], VMEM[v][l], or the next random row
  Multiply:  y[l] = add(shift_product(x[l] * b[l], shift + exponent of a scalar b), c[l])
  Exp2:      y[l] = add(exp2 of x[l] shifted right by shift, c[l])              see exp2_factors
  Sigmoid:   y[l] = sigmoid(x[l])
  if relu:   y[l] = max(y[l], 0)
  if write:  VREG[target + (target_advance ? k : 0)] = y

  sk = sub + (sub_advance ? k : 0)
  z[l] = half ? y[(sk mod 2) * V/2 + l mod V/2] : y[l]
  st = start + k * start_step
  halves h = 0 .. 2G-1 with ((h - st) mod 2^period) < 2^length are written:
  Act:    e goes as in Dot, with entries written instead of entries used
          ACT[e][h * V/2 + j] = saturate(z[(h mod 2) * V/2 + j], 16)  for j = 0 .. V/2-1
  Key:    r = row + k * row_step + (row_offset ? second loop offset : 0) + (position >> positions)
          st += (position mod 2^positions) * (2G >> positions)
          KV[r][h * V/2 + j] = kv_encode(z[(h mod 2) * V/2 + j])
  Value:  r as for Key
          KV[r][g * V + position mod V] = kv_encode(y[sk * G + g])  for g = 0 .. G-1; other lanes stay
  Vmem:   VMEM[row + k * row_step + (row_offset ? second loop offset : 0)] = saturate(y, 18)
  Argmax: if restart and k == 0: forget the best
          candidate (row + k * row_step + (row_offset ? second loop offset : 0)) * V + l is y[l], for l < (k == count-1 and tail > 0 ? tail : V)
          the largest value is the chosen token, of equal ones the lowest number

  total[l] += y[l] for all lanes, or only for l = input token mod V or l = position mod V    32 bits, wraps
if reduce:
  t = sum of total[l] + bias
  reduction[reduction] = Plain:           (saturate(round_shift(t, sum_shift), 18), exponent 0)
                         Reciprocal:      reciprocal(clamp(t, 0, 2^32 - 1))
                         ReciprocalSqrt:  reciprocal_sqrt(clamp(t, 0, 2^32 - 1))
";

const TRANSFER: &str = "\
i = step_by: 0, input token, position, blocks - 1
A = address + (address_offset ? first loop offset : 0) + address_step * i
R = row + (row_offset ? second loop offset : 0) + row_number_step * i
n = granules of a run: its rows' bits / granule bits, rounded up
slot 0 = the first slot that begins in cycle a + delay + TRANSFER_LEAD or later; slot g = the slot after slot g-1
granule g = 0 .. count-1 is DRAM[A + g], moved in slot g
next instruction in cycle (end of slot count-1) - TRANSFER_LEAD
for run u = 0 .. count/n - 1, row k = 0 .. run-1:
  bits = the k-th row in granules u * n .. (u+1) * n - 1
  r = R + u * run_step + k * row_step                                           way is Weights: modulo the weight rows
  to the chip:   M[r] = bits, codes decoded (see decode), the last row of a result filled up with zeros; port used
                 transfer_store_port + w cycles after the slot of the row's last bit, in word w of its granule
  from the chip: bits = M[r]; port used w + TRANSFER_SAMPLE cycles after the slot of the row's first bit, in word w
Vector memory has a write port for its lower and one for its upper half of rows; KV memory has one. Transfers use them both ways. Rows of sums
and gathered rows share one way to vector memory, whichever half they go to.

A row to the chip counts as issued with the word that brings its last bit, a row back with the word that takes its first one. In one cycle
the matrix queue's issue comes first, then the vector queue's, then the row. Legal only if
  every granule exists, and holds what the image or a token of the run wrote, for every token that may come in; way Kv may bring rows that
    nobody wrote, whose scores leave through the mask
  no token writes a granule of the image that ways Weights and Vmem bring rows from before this token writes it
  a row of weight or vector memory is read after this token wrote it, or lies in the image and no token writes it
  count is a multiple of n, run and with codes blocks are at least 1, offset_codes is 0 with Rows, and format is Rows on the way back
  step_by is not Token on the way back, and moves no row if it is
  a port takes one row a cycle, and a slot stays empty or a refresh lies between granules of a segment that move opposite ways
";
