"""Checks the exported files with a forward pass of its own (numpy, one id at a time, as the chip works).

Prints a greedy and a sampled story and, for a text file of stories, the loss per id and per character.
Shares with the training only the file format: an error of the export shows as a higher loss here.
"""

import argparse
import math

import numpy as np

from checkpoint import BOS_ID, NORM_EPSILON, Tokenizer, read_checkpoint, rope_tables
from train_tokenizer import read_stories


def normalise(x, gain):
    return x * gain / np.sqrt(np.mean(x * x) + NORM_EPSILON)


class Model:
    def __init__(self, path):
        self.sizes, self.weights = read_checkpoint(path)
        self.rope = rope_tables(self.sizes)
        self.restart()

    def restart(self):
        shape = (self.sizes.layers, self.sizes.context, self.sizes.kv_heads, self.sizes.head_dim)
        self.keys, self.values, self.position = np.zeros(shape), np.zeros(shape), 0

    def rotate(self, heads):
        cos, sin = (table[self.position] for table in self.rope)
        out = np.empty_like(heads)
        out[:, 0::2] = heads[:, 0::2] * cos - heads[:, 1::2] * sin
        out[:, 1::2] = heads[:, 0::2] * sin + heads[:, 1::2] * cos
        return out

    def attend(self, layer, q):
        out, group = [], self.sizes.heads // self.sizes.kv_heads
        for head, query in enumerate(q):
            keys = self.keys[layer, : self.position + 1, head // group]
            values = self.values[layer, : self.position + 1, head // group]
            scores = keys @ query / math.sqrt(self.sizes.head_dim)
            weights = np.exp(scores - scores.max())
            out.append(weights @ values / weights.sum())
        return np.concatenate(out)

    def step(self, token):
        """Logits after one more id."""
        w, s = self.weights, self.sizes
        x = w["embedding"][token].astype(np.float64)
        for layer in range(s.layers):
            h = normalise(x, w["norm_attention"][layer])
            q = (w["wq"][layer] @ h).reshape(s.heads, s.head_dim)
            k = (w["wk"][layer] @ h).reshape(s.kv_heads, s.head_dim)
            v = (w["wv"][layer] @ h).reshape(s.kv_heads, s.head_dim)
            self.keys[layer, self.position] = self.rotate(k)
            self.values[layer, self.position] = v
            x = x + w["wo"][layer] @ self.attend(layer, self.rotate(q))
            h = normalise(x, w["norm_ffn"][layer])
            gate = w["gate"][layer] @ h
            x = x + w["down"][layer] @ (gate / (1 + np.exp(-gate)) * (w["up"][layer] @ h))
        self.position += 1
        return w["embedding"] @ normalise(x, w["norm_final"])


def round_weights(model, bits):
    """Rounds every matrix to integers of so many bits, one scale per output row; gains stay."""
    for name, values in model.weights.items():
        if not name.startswith("norm"):
            scale = np.abs(values).max(-1, keepdims=True) / (2 ** (bits - 1) - 1)
            model.weights[name] = np.round(values / scale) * scale


def generate(model, prompt_ids, choose):
    """The prompt and what follows it, until BOS or the end of the context."""
    model.restart()
    ids = list(prompt_ids)
    while model.position < model.sizes.context:
        logits = model.step(ids[model.position])
        if model.position == len(ids):
            ids.append(choose(logits))
            if ids[-1] == BOS_ID:
                return ids[:-1]
    return ids


def sampler(temperature, seed):
    random = np.random.default_rng(seed)

    def choose(logits):
        p = np.exp((logits - logits.max()) / temperature)
        return int(random.choice(len(p), p=p / p.sum()))

    return choose


def story_loss(model, ids):
    model.restart()
    total = 0.0
    for token, target in zip(ids, ids[1:]):
        logits = model.step(token)
        total += logits.max() + math.log(np.exp(logits - logits.max()).sum()) - logits[target]
    return total


def print_scores(model, tokenizer, stories):
    coded = [(tokenizer.encode(s) + [BOS_ID])[: model.sizes.context + 1] for s in stories]
    loss = sum(story_loss(model, ids) for ids in coded)
    count = sum(len(ids) - 1 for ids in coded)
    # The end of a story counts as one character.
    characters = sum(len(story) + 1 for story in stories)
    print(f"\n{len(stories)} stories, {count} ids: loss {loss / count:.4f} nat per id, perplexity "
          f"{math.exp(loss / count):.4f}, {loss / characters:.4f} nat per character")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--prompt", default="Once upon a time")
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stories", help="text file; its last --count stories are scored")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--weight-bits", type=int, help="round the matrices first")
    args = parser.parse_args()

    model = Model(args.checkpoint)
    if args.weight_bits:
        round_weights(model, args.weight_bits)
    tokenizer = Tokenizer.read(args.tokenizer, model.sizes.vocab)
    print(f"{model.sizes}\nparameters: {sum(a.size for a in model.weights.values())}")
    prompt = tokenizer.encode(args.prompt)
    greedy = generate(model, prompt, lambda logits: int(np.argmax(logits)))
    print(f"\ngreedy, {len(greedy)} ids:\n{tokenizer.decode(greedy)}")
    drawn = generate(model, prompt, sampler(args.temperature, args.seed))
    print(f"\ntemperature {args.temperature}, seed {args.seed}, {len(drawn)} ids:\n{tokenizer.decode(drawn)}")
    if args.stories:
        print_scores(model, tokenizer, read_stories(args.stories)[-args.count :])


if __name__ == "__main__":
    main()
