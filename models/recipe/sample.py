"""Samples whole stories from a llama2.c checkpoint into one text file (see sampler.c for how).

Stories are separated by a line that holds only SEPARATOR. A story counts only if the teacher ended
it itself (by BOS) within its context, so that the student learns where stories end.
"""

import argparse
import ctypes
import time

import numpy as np

from checkpoint import BOS_ID, Tokenizer, read_checkpoint, rope_tables
from native import build

SEPARATOR = "<|story|>"
# The longest run of ids that one call of the sampler returns: about a minute between progress lines.
IDS_PER_CALL = 1_000_000


def pointers(sizes, arrays):
    """The two structs that sampler.c reads: all sizes as int32, all arrays in file order as pointers."""
    tables = [*arrays.values(), *(np.ascontiguousarray(table) for table in rope_tables(sizes))]
    addresses = (ctypes.c_void_p * len(tables))(*(table.ctypes.data for table in tables))
    return (ctypes.c_int32 * 7)(*vars(sizes).values()), addresses, tables


def sample_ids(sampler, sizes, arrays, temperature, top_p, seed):
    """Lists of ids, one for each story of one call."""
    size_values, addresses, _keep_alive = pointers(sizes, arrays)
    out = np.empty(IDS_PER_CALL, dtype=np.int32)
    written = sampler(
        size_values,
        addresses,
        ctypes.c_float(temperature),
        ctypes.c_float(top_p),
        ctypes.c_uint64(seed),
        out.ctypes.data_as(ctypes.c_void_p),
        ctypes.c_int64(len(out)),
    )
    if written < 0:
        raise SystemExit("the model exceeds the limits at the top of sampler.c, or memory is short")
    ids = out[:written]
    return np.split(ids, np.flatnonzero(ids == BOS_ID) + 1)[:-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--calls", type=int, default=10, help="each yields about a million ids")
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--top-p", type=float, default=0.95)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()

    sizes, arrays = read_checkpoint(args.checkpoint)
    tokenizer = Tokenizer.read(args.tokenizer, sizes.vocab)
    sampler = build("sampler.c", sizes.head_dim).sample_stories
    sampler.restype = ctypes.c_int64
    stories, characters, start = 0, 0, time.monotonic()
    with open(args.out, "w") as file:
        for call in range(args.calls):
            # Calls are 2^32 steps of the generator apart, far more than one call draws.
            seed = args.seed + (call << 32) * 0x9E3779B97F4A7C15
            batch = sample_ids(
                sampler, sizes, arrays, args.temperature, args.top_p, seed % 2**64
            )
            for ids in batch:
                text = tokenizer.decode([BOS_ID, *ids[:-1].tolist()]).strip()
                file.write(text + "\n" + SEPARATOR + "\n")
                characters += len(text)
            stories += len(batch)
            file.flush()
            seconds = time.monotonic() - start
            print(f"{stories} stories, {characters} characters, {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
