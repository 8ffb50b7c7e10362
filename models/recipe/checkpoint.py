"""Reads and writes the two llama2.c files: a version-0 checkpoint and its tokenizer.

Both the teacher and the model of this recipe live in these formats, so every other script imports
its sizes, its array order and its text conversion from here.
"""

import struct
from dataclasses import dataclass

import numpy as np

BOS_ID = 1
FIRST_BYTE_ID = 3
FIRST_PIECE_ID = 259
ROPE_THETA = 10000.0
NORM_EPSILON = 1e-5


@dataclass(frozen=True)
class Sizes:
    dim: int
    hidden_dim: int
    layers: int
    heads: int
    kv_heads: int
    vocab: int
    context: int

    @property
    def head_dim(self):
        return self.dim // self.heads

    @property
    def kv_dim(self):
        return self.head_dim * self.kv_heads

    def arrays(self):
        """Name and shape of each array, in file order; matrices are outputs x inputs."""
        per_layer = [
            ("norm_attention", (self.dim,)),
            ("wq", (self.dim, self.dim)),
            ("wk", (self.kv_dim, self.dim)),
            ("wv", (self.kv_dim, self.dim)),
            ("wo", (self.dim, self.dim)),
            ("norm_ffn", (self.dim,)),
            ("gate", (self.hidden_dim, self.dim)),
            ("down", (self.dim, self.hidden_dim)),
            ("up", (self.hidden_dim, self.dim)),
        ]
        yield "embedding", (self.vocab, self.dim)
        for name, shape in per_layer:
            yield name, (self.layers, *shape)
        yield "norm_final", (self.dim,)


def rope_tables(sizes):
    """Cosine and sine of each position (row) and each adjacent pair of a head (column)."""
    pairs = np.arange(0, sizes.head_dim, 2, dtype=np.float64)
    angles = np.outer(np.arange(sizes.context), ROPE_THETA ** (-pairs / sizes.head_dim))
    return np.cos(angles).astype("<f4"), np.sin(angles).astype("<f4")


def read_checkpoint(path):
    with open(path, "rb") as file:
        sizes = Sizes(*struct.unpack("<7i", file.read(28)))
        if sizes.vocab <= 0:
            raise ValueError(f"{path}: expected a positive vocabulary (classifier tied to the embedding)")
        arrays = {}
        for name, shape in sizes.arrays():
            values = np.frombuffer(file.read(4 * int(np.prod(shape))), dtype="<f4")
            arrays[name] = values.reshape(shape).copy()
    return sizes, arrays


def write_checkpoint(path, sizes, arrays):
    with open(path, "wb") as file:
        file.write(struct.pack("<7i", *vars(sizes).values()))
        for name, shape in sizes.arrays():
            values = np.ascontiguousarray(arrays[name], dtype="<f4")
            if values.shape != shape:
                raise ValueError(f"{name}: expected shape {shape}, found {values.shape}")
            file.write(values.tobytes())
        for table in rope_tables(sizes):
            file.write(table.tobytes())


class Tokenizer:
    """Text to ids and back, exactly as llama2.c's run.c does it."""

    def __init__(self, pieces, scores):
        self.pieces = pieces
        self.scores = scores
        self.ids = {piece: i for i, piece in enumerate(pieces) if i >= FIRST_PIECE_ID}

    @classmethod
    def read(cls, path, vocab):
        pieces, scores = [], []
        with open(path, "rb") as file:
            file.read(4)
            for _ in range(vocab):
                score, length = struct.unpack("<fi", file.read(8))
                scores.append(score)
                pieces.append(file.read(length))
        return cls(pieces, scores)

    def write(self, path):
        with open(path, "wb") as file:
            file.write(struct.pack("<i", max(len(piece) for piece in self.pieces)))
            for piece, score in zip(self.pieces, self.scores):
                file.write(struct.pack("<fi", score, len(piece)) + piece)

    def encode_characters(self, text):
        """Ids of a text taken character by character, then merged, best score first."""
        ids = []
        for character in text:
            piece = character.encode()
            known = self.ids.get(piece)
            ids += [known] if known is not None else [byte + FIRST_BYTE_ID for byte in piece]
        while True:
            best = None
            for i in range(len(ids) - 1):
                merged = self.ids.get(self.pieces[ids[i]] + self.pieces[ids[i + 1]])
                if merged is not None and (best is None or self.scores[merged] > best[0]):
                    best = (self.scores[merged], i, merged)
            if best is None:
                return ids
            ids[best[1] : best[1] + 2] = [best[2]]

    def encode(self, text):
        """BOS, then the text with the leading space that run.c puts in front of it."""
        return [BOS_ID] + (self.encode_characters(" " + text) if text else [])

    def decode(self, ids):
        """Text of the ids; the space in front of the first piece after a BOS is dropped."""
        out, previous = b"", None
        for i in ids:
            if i >= FIRST_PIECE_ID:
                piece = self.pieces[i]
                out += piece[1:] if previous == BOS_ID and piece.startswith(b" ") else piece
            elif i >= FIRST_BYTE_ID:
                out += bytes([i - FIRST_BYTE_ID])
            previous = i
        return out.decode(errors="replace")
