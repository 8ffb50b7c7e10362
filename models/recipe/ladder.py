"""Trains the two smallest models of `lpu bench --ladder` with numpy alone, and writes each as a Hugging Face folder.

    python ladder.py names --text names.txt --out ../microgpt
    python ladder.py stories --text stories.txt --out ../char-115k

Both are microGPT: the sum of a token's and a position's row is normalised, then each layer adds attention and an MLP with ReLU,
each from the normalised residual; norms have no gain, maps no bias, and the classifier is a matrix of its own.
`names` reads one name a line (context 16); `stories` reads what sample.py wrote (context 128).
"""

import argparse
import json
import os
import struct
import time
from dataclasses import dataclass

import numpy as np

from sample import SEPARATOR

EPSILON = 1e-5
BOS = "<s>"
STORY_CHARACTERS = "\n !\"',-.:;?" + "".join(map(chr, range(65, 91))) + "".join(map(chr, range(97, 123)))


@dataclass(frozen=True)
class Shape:
    vocab: int
    dim: int
    layers: int
    heads: int
    context: int

    def arrays(self):
        dim = self.dim
        yield "wte", (self.vocab, dim)
        yield "wpe", (self.context, dim)
        for layer in range(self.layers):
            for name in ("wq", "wk", "wv", "wo"):
                yield f"layer{layer}.attn_{name}", (dim, dim)
            yield f"layer{layer}.mlp_fc1", (4 * dim, dim)
            yield f"layer{layer}.mlp_fc2", (dim, 4 * dim)
        yield "lm_head", (self.vocab, dim)


def start(shape, seed):
    random = np.random.default_rng(seed)
    weights = {}
    for name, size in shape.arrays():
        spread = 0.02 if name.endswith(("wo", "fc2")) else 0.5 / np.sqrt(size[1])
        weights[name] = (random.standard_normal(size) * spread).astype(np.float32)
    return weights


def normalise(x):
    factor = 1 / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + EPSILON)
    return x * factor, factor


def normalise_back(grad, y, factor):
    return factor * (grad - y * np.mean(grad * y, axis=-1, keepdims=True))


class Linear:
    """`y = x W^T`; `back` adds to the gradients and returns that of `x`."""

    def __init__(self, name, x, weights):
        self.name, self.x, self.weight = name, x, weights[name]
        self.y = x @ self.weight.T

    def back(self, grad, grads):
        flat, inputs = grad.reshape(-1, grad.shape[-1]), self.x.reshape(-1, self.x.shape[-1])
        grads[self.name] = flat.T @ inputs
        return grad @ self.weight


class Attention:
    def __init__(self, prefix, x, weights, heads):
        batch, length, dim = x.shape
        self.split = (batch, length, heads, dim // heads)
        self.maps = [Linear(f"{prefix}attn_{name}", x, weights) for name in ("wq", "wk", "wv")]
        self.q, self.k, self.v = (m.y.reshape(self.split).transpose(0, 2, 1, 3) for m in self.maps)
        self.scale = 1 / np.sqrt(dim // heads)
        scores = self.q @ self.k.transpose(0, 1, 3, 2) * self.scale
        scores += np.triu(np.full((length, length), -1e9, dtype=np.float32), 1)
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        self.p = scores / scores.sum(axis=-1, keepdims=True)
        mixed = (self.p @ self.v).transpose(0, 2, 1, 3).reshape(batch, length, dim)
        self.out = Linear(f"{prefix}attn_wo", mixed, weights)
        self.y = self.out.y

    def back(self, grad, grads):
        mixed = self.out.back(grad, grads).reshape(self.split).transpose(0, 2, 1, 3)
        dp = mixed @ self.v.transpose(0, 1, 3, 2)
        ds = self.p * (dp - np.sum(dp * self.p, axis=-1, keepdims=True)) * self.scale
        parts = (ds @ self.k, ds.transpose(0, 1, 3, 2) @ self.q, self.p.transpose(0, 1, 3, 2) @ mixed)
        batch, length = self.split[:2]
        back = (part.transpose(0, 2, 1, 3).reshape(batch, length, -1) for part in parts)
        return sum(m.back(part, grads) for m, part in zip(self.maps, back))


class Mlp:
    def __init__(self, prefix, x, weights):
        self.up = Linear(f"{prefix}mlp_fc1", x, weights)
        self.down = Linear(f"{prefix}mlp_fc2", np.maximum(self.up.y, 0), weights)
        self.y = self.down.y

    def back(self, grad, grads):
        return self.up.back(self.down.back(grad, grads) * (self.up.y > 0), grads)


def loss_and_grads(shape, weights, ids, targets, mask, want_grads=True):
    """Mean nats of the targets where the mask is set, and the gradients."""
    x, factor = normalise(weights["wte"][ids] + weights["wpe"][: ids.shape[1]])
    tape = [(None, x, factor)]
    for layer in range(shape.layers):
        for part in (lambda p, n: Attention(p, n, weights, shape.heads), lambda p, n: Mlp(p, n, weights)):
            y, factor = normalise(x)
            made = part(f"layer{layer}.", y)
            tape.append((made, y, factor))
            x = x + made.y
    head = Linear("lm_head", x, weights)
    logits = head.y - head.y.max(axis=-1, keepdims=True)
    log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    chosen = np.take_along_axis(log_p, targets[..., None], axis=-1)[..., 0]
    loss = -(chosen * mask).sum() / mask.sum()
    if not want_grads:
        return loss, None
    grads = {}
    grad = np.exp(log_p)
    np.put_along_axis(grad, targets[..., None], np.take_along_axis(grad, targets[..., None], -1) - 1, -1)
    grad = head.back(grad * (mask / mask.sum())[..., None], grads)
    for made, y, factor in reversed(tape[1:]):
        grad = grad + normalise_back(made.back(grad, grads), y, factor)
    grad = normalise_back(grad, tape[0][1], tape[0][2])
    grads["wpe"] = np.zeros_like(weights["wpe"])
    grads["wpe"][: ids.shape[1]] = grad.sum(axis=0)
    grads["wte"] = np.zeros_like(weights["wte"])
    np.add.at(grads["wte"], ids.ravel(), grad.reshape(-1, shape.dim))
    return loss, grads


class Names:
    """Whole names, the start symbol before and after each; a tenth is held out."""

    characters, context, dim, layers, heads = "abcdefghijklmnopqrstuvwxyz", 16, 16, 1, 4

    def __init__(self, text, random):
        self.bos = len(self.characters)
        names = text.split()
        random.shuffle(names)
        rows = np.full((len(names), self.context + 1), -1)
        for row, name in zip(rows, names):
            ids = [self.bos, *(self.characters.index(character) for character in name), self.bos]
            row[: len(ids)] = ids[: self.context + 1]
        self.held, self.rows = np.split(rows, [len(rows) // 10])

    def batch(self, random, count):
        return self.rows[random.integers(len(self.rows), size=count)]


class Stories:
    """Windows of 129 ids, half of them from a story's start; the last twentieth of the stories is held out."""

    characters, context, dim, layers, heads = STORY_CHARACTERS, 128, 64, 2, 2

    def __init__(self, text, _random):
        self.bos = len(self.characters)
        known = {character: i for i, character in enumerate(self.characters)}
        stories = [[known[c] for c in story if c in known] for story in text.split(f"\n{SEPARATOR}\n")]
        stories = [[self.bos, *story] for story in stories if story]
        split = len(stories) * 19 // 20
        self.ids = np.array([i for story in stories[:split] for i in story])
        lengths = np.array([len(story) for story in stories[:split]])
        starts = np.cumsum(lengths) - lengths
        self.starts = starts[starts + self.context < len(self.ids)]
        held = [i for story in stories[split:] for i in story]
        rows = len(held) // (self.context + 1)
        self.held = np.array(held[: rows * (self.context + 1)]).reshape(rows, -1)[:400]

    def batch(self, random, count):
        anywhere = random.integers(len(self.ids) - self.context - 1, size=count - count // 2)
        first = np.concatenate([anywhere, random.choice(self.starts, count // 2)])
        return self.ids[first[:, None] + np.arange(self.context + 1)]


def split(rows):
    """Inputs, targets, and which targets exist (rows are padded with -1)."""
    return np.maximum(rows[:, :-1], 0), np.maximum(rows[:, 1:], 0), (rows[:, 1:] >= 0).astype(np.float32)


def held_out(shape, weights, rows):
    parts = [split(rows[i : i + 64]) for i in range(0, len(rows), 64)]
    losses = [loss_and_grads(shape, weights, *part, want_grads=False)[0] * part[2].sum() for part in parts]
    return sum(losses) / sum(part[2].sum() for part in parts)


def train(shape, data, random, args):
    weights = start(shape, args.seed)
    first = {name: np.zeros_like(weight) for name, weight in weights.items()}
    second = {name: np.zeros_like(weight) for name, weight in weights.items()}
    begin = time.monotonic()
    for step in range(args.steps):
        loss, grads = loss_and_grads(shape, weights, *split(data.batch(random, args.batch)))
        rate = args.rate * min(1, (step + 1) / 50) * (0.02 + 0.98 * (1 + np.cos(np.pi * step / args.steps)) / 2)
        for name, grad in grads.items():
            first[name] += 0.1 * (grad - first[name])
            second[name] += 0.01 * (grad * grad - second[name])
            mean, square = first[name] / (1 - 0.9 ** (step + 1)), second[name] / (1 - 0.99 ** (step + 1))
            weights[name] -= (rate * mean / (np.sqrt(square) + 1e-8)).astype(np.float32)
        if step % 200 == 0 or step + 1 == args.steps:
            print(f"step {step}: {loss:.4f} nat, {time.monotonic() - begin:.0f} s", flush=True)
    return weights


def write_safetensors(path, weights):
    """Half precision: the chip's weights have nine bits."""
    header, offset, parts = {}, 0, []
    for name, weight in weights.items():
        part = weight.astype("<f2").tobytes()
        header[name] = {"dtype": "F16", "shape": list(weight.shape), "data_offsets": [offset, offset + len(part)]}
        offset += len(part)
        parts.append(part)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(parts))


def tokenizer(characters):
    """One id a character; the start symbol also ends a text."""
    vocab = {character: i for i, character in enumerate(characters)} | {BOS: len(characters)}
    special = {"id": len(characters), "content": BOS, "single_word": False, "lstrip": False, "rstrip": False}
    template = [{"SpecialToken": {"id": BOS, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [special | {"normalized": False, "special": True}],
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": template,
            "pair": template + [{"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {BOS: {"id": BOS, "ids": [len(characters)], "tokens": [BOS]}},
        },
        "decoder": {"type": "Fuse"},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "vocab": vocab, "merges": []},
    }


def write_folder(out, shape, weights, characters):
    os.makedirs(out, exist_ok=True)
    write_safetensors(os.path.join(out, "model.safetensors"), weights)
    config = {
        "model_type": "microgpt", "vocab_size": shape.vocab, "n_embd": shape.dim, "n_layer": shape.layers,
        "n_head": shape.heads, "block_size": shape.context, "bos_token_id": len(characters), "eos_token_id": len(characters),
    }
    names = {"bos_token": BOS, "eos_token": BOS}
    for name, value in (("config", config), ("tokenizer", tokenizer(characters)), ("tokenizer_config", names)):
        with open(os.path.join(out, f"{name}.json"), "w") as file:
            file.write(json.dumps(value, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=["names", "stories"])
    parser.add_argument("--text", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, help="default: 128 names, 16 windows of stories")
    parser.add_argument("--rate", type=float, default=0.01, help="of Adam, at its highest")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    kind = {"names": Names, "stories": Stories}[args.data]
    args.batch = args.batch or {"names": 128, "stories": 16}[args.data]

    random = np.random.default_rng(args.seed)
    with open(args.text) as file:
        data = kind(file.read(), random)
    shape = Shape(len(kind.characters) + 1, kind.dim, kind.layers, kind.heads, kind.context)
    weights = train(shape, data, random, args)
    rounded = {name: weight.astype(np.float16).astype(np.float32) for name, weight in weights.items()}
    parameters = sum(weight.size for weight in weights.values())
    print(f"{parameters} parameters, held out: {held_out(shape, rounded, data.held):.4f} nat a character")
    write_folder(args.out, shape, weights, kind.characters)


if __name__ == "__main__":
    main()
