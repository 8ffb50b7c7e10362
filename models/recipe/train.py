"""Trains a llama2.c model from scratch on sampled stories.

Matrices are updated by Muon, the embedding and the gains by AdamW. The rate is constant after a short
warm-up and falls linearly to zero over the last `--decay-steps`; over those the rows also have the full
context, before that a half of it, because attention over long rows is most of the work on a CPU.
The state is saved beside the checkpoint, so `--resume` goes on where an interrupted run stopped; the
rows of a step depend on the seed and the number of the step only.
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from attention import LANES, Attention
from checkpoint import BOS_ID, NORM_EPSILON, Sizes, Tokenizer, rope_tables, write_checkpoint
from train_tokenizer import PART, read_stories

HELD_OUT_STORIES = 500
WARMUP_STEPS = 100
SAVE_STEPS = 250
IGNORED = -100
MATRICES = ("wq", "wk", "wv", "wo", "gate", "down", "up")


def encode_stories(stories, tokenizer):
    """All stories in one array of ids, a BOS before each and one after the last."""
    known, ids = {}, []
    for story in stories:
        ids.append(BOS_ID)
        for part in PART.findall(" " + story):
            if part not in known:
                known[part] = tokenizer.encode_characters(part)
            ids += known[part]
    ids.append(BOS_ID)
    return np.array(ids, dtype=np.uint16)


def new_parameters(sizes, seed):
    generator = torch.Generator().manual_seed(seed)
    parameters = {}
    for name, shape in sizes.arrays():
        if name.startswith("norm"):
            values = torch.ones(shape)
        else:
            scale = 0.02 if name == "embedding" else shape[-1] ** -0.5
            # The two matrices that write to the residual stream start small, so that depth does not.
            scale *= (2 * sizes.layers) ** -0.5 if name in ("wo", "down") else 1.0
            values = torch.randn(shape, generator=generator) * scale
        parameters[name] = values.requires_grad_()
    return parameters


def rotate(x, cos, sin):
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


def block_inputs(x, norm, wq, wk, wv, cos, sin, head_dim):
    h = F.rms_norm(x, norm.shape, norm, NORM_EPSILON)
    q, k, v = ((h @ w.T).unflatten(-1, (-1, head_dim)) for w in (wq, wk, wv))
    return rotate(q, cos, sin), rotate(k, cos, sin), v


def block_outputs(x, mixed, wo, norm, gate, up, down):
    x = x + mixed.flatten(2) @ wo.T
    h = F.rms_norm(x, norm.shape, norm, NORM_EPSILON)
    return x + (F.silu(h @ gate.T) * (h @ up.T)) @ down.T


def classify(x, norm, embedding, targets):
    logits = F.rms_norm(x, norm.shape, norm, NORM_EPSILON) @ embedding.T
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED)


def loss_of(parameters, sizes, rope, ids, targets):
    """Mean negative log likelihood (nat) of the targets, those that are IGNORED left out."""
    cos, sin = (table[: ids.shape[1], None, :] for table in rope)
    p = {name: list(value) if value.ndim > 1 else value for name, value in parameters.items()}
    x = parameters["embedding"][ids]
    for i in range(sizes.layers):
        q, k, v = block_inputs(
            x, p["norm_attention"][i], p["wq"][i], p["wk"][i], p["wv"][i], cos, sin, sizes.head_dim
        )
        mixed = Attention.apply(q, k, v)
        x = block_outputs(
            x, mixed, p["wo"][i], p["norm_ffn"][i], p["gate"][i], p["up"][i], p["down"][i]
        )
    return classify(x, parameters["norm_final"], parameters["embedding"], targets)


class Muon(torch.optim.Optimizer):
    """Momentum whose step for each matrix is brought close to orthogonal by Newton-Schulz iterations."""

    def __init__(self, parameters, lr, momentum=0.95, weight_decay=0.01):
        super().__init__(parameters, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                average = state.setdefault("average", torch.zeros_like(p))
                average.lerp_(p.grad, 1 - group["momentum"])
                update = orthogonal(torch.lerp(p.grad, average, group["momentum"]))
                rate = group["lr"] * max(1.0, p.shape[1] / p.shape[2]) ** 0.5
                p.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-rate)


def orthogonal(stack, iterations=5):
    """Each matrix of the stack with its singular values moved to about 1."""
    tall = stack.shape[1] > stack.shape[2]
    x = stack.mT if tall else stack
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(iterations):
        a = x @ x.mT
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.mT if tall else x


def draw_rows(ids, starts, rows, length, random):
    """Rows of ids: half of them begin with a story, half anywhere."""
    heads = random.choice(starts[starts < len(ids) - length], rows // 2)
    anywhere = random.integers(0, len(ids) - length, rows - rows // 2)
    first = np.concatenate((heads, anywhere))
    return torch.from_numpy(ids[first[:, None] + np.arange(length)].astype(np.int64))


@torch.no_grad()
def held_out_loss(parameters, sizes, rope, ids):
    """Mean loss of every id (BOS included) of stories that each start from an empty context."""
    stories = np.split(ids, np.flatnonzero(ids == BOS_ID)[1:-1])
    total, count = 0.0, 0
    for first in range(0, len(stories), LANES):
        rows = torch.full((LANES, sizes.context + 1), IGNORED)
        for row, story in zip(rows, stories[first : first + LANES]):
            story = np.append(story, BOS_ID)[: sizes.context + 1].astype(np.int64)
            row[: len(story)] = torch.from_numpy(story)
        targets = rows[:, 1:]
        known = (targets != IGNORED).sum().item()
        total += loss_of(parameters, sizes, rope, rows[:, :-1].clamp(min=0), targets).item() * known
        count += known
    return total / count, count


def rate_at(step, args):
    return min(1.0, (step + 1) / WARMUP_STEPS, (args.steps - step) / args.decay_steps)


def save(args, sizes, parameters, optimizers, step):
    arrays = {name: p.detach().numpy() for name, p in parameters.items()}
    write_checkpoint(args.out, sizes, arrays)
    state = [optimizer.state_dict() for optimizer in optimizers]
    torch.save((step, parameters, state), args.out.with_suffix(".state"))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stories", required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--hidden-dim", type=int, default=160)
    parser.add_argument("--steps", type=int, default=3550)
    parser.add_argument("--decay-steps", type=int, default=1300)
    parser.add_argument("--ids-per-step", type=int, default=4096)
    parser.add_argument("--matrix-rate", type=float, default=0.02)
    parser.add_argument("--other-rate", type=float, default=0.004)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", action="store_true")
    return parser.parse_args()


def new_optimizers(parameters, args):
    matrices = [parameters[name] for name in MATRICES]
    others = [p for name, p in parameters.items() if name not in MATRICES]
    return [
        Muon(matrices, lr=args.matrix_rate),
        torch.optim.AdamW(others, lr=args.other_rate, betas=(0.9, 0.99), weight_decay=0.0),
    ]


def load(args, parameters, optimizers):
    """Puts the saved state in place and returns the number of steps already taken."""
    step, loaded, states = torch.load(args.out.with_suffix(".state"))
    with torch.no_grad():
        for name, p in parameters.items():
            p.copy_(loaded[name])
    for optimizer, state in zip(optimizers, states):
        optimizer.load_state_dict(state)
    return step


def train_step(step, args, sizes, rope, ids, starts, parameters, optimizers):
    decaying = step >= args.steps - args.decay_steps
    length = sizes.context if decaying else sizes.context // 2
    random = np.random.default_rng((args.seed, step))
    rows = draw_rows(ids, starts, args.ids_per_step // length, length + 1, random)
    loss = loss_of(parameters, sizes, rope, rows[:, :-1], rows[:, 1:])
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
    for optimizer, rate in zip(optimizers, (args.matrix_rate, args.other_rate)):
        for group in optimizer.param_groups:
            group["lr"] = rate * rate_at(step, args)
        optimizer.step()
        optimizer.zero_grad()
    return loss.item()


def main():
    args = parse_arguments()
    torch.set_num_threads(1)
    sizes = Sizes(64, args.hidden_dim, 5, 8, 4, 512, 512)
    tokenizer = Tokenizer.read(args.tokenizer, sizes.vocab)
    stories = read_stories(args.stories)
    held_out = encode_stories(stories[-HELD_OUT_STORIES:], tokenizer)
    ids = encode_stories(stories[:-HELD_OUT_STORIES], tokenizer)
    starts = np.flatnonzero(ids == BOS_ID)
    print(f"{len(ids)} ids of {len(stories)} stories", flush=True)

    parameters = new_parameters(sizes, args.seed)
    optimizers = new_optimizers(parameters, args)
    first_step = load(args, parameters, optimizers) if args.resume else 0
    rope = [torch.from_numpy(table) for table in rope_tables(sizes)]
    begin, recent = time.monotonic(), []
    for step in range(first_step, args.steps):
        recent.append(train_step(step, args, sizes, rope, ids, starts, parameters, optimizers))
        if (step + 1) % 25 == 0:
            seconds = time.monotonic() - begin
            print(f"step {step + 1}: loss {np.mean(recent[-100:]):.4f}, {seconds:.0f} s", flush=True)
        if (step + 1) % SAVE_STEPS == 0 or step + 1 == args.steps:
            save(args, sizes, parameters, optimizers, step + 1)
    loss, count = held_out_loss(parameters, sizes, rope, held_out)
    print(f"held out: {count} ids, loss {loss:.4f}, perplexity {math.exp(loss):.4f}")


if __name__ == "__main__":
    main()
