"""Makes `sentencepiece/*.model` and its golden ids: a vocabulary of pairs and one of single pieces, trained by SentencePiece on the
text of `tokens/golden.json`, and the hash of the ids that it gives for each line.

    pip install sentencepiece
    python3 sentencepiece_models.py
"""

import hashlib
import io
import json
import os

import sentencepiece

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "sentencepiece")
TRAINED = 4000
# Lines that SentencePiece and Hugging Face's `tokenizers` cut alike by design; the rest of the lines is too long for a small test.
HASHED = 2000
# A table of its own keeps the file small: ½ becomes 1/2, ² becomes 2, ß becomes ss, a line feed a space.
RULES = os.path.join(OUT, "rules.tsv")
KINDS = {
    "pairs": dict(model_type="bpe", byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
                  allow_whitespace_only_pieces=True, split_digits=True),
    "unigram": dict(model_type="unigram", byte_fallback=True, normalization_rule_name="identity",
                    remove_extra_whitespaces=False, allow_whitespace_only_pieces=True),
    "normalised": dict(model_type="bpe", byte_fallback=True, normalization_rule_tsv=RULES, user_defined_symbols=["<tool>"]),
}


def lines(golden):
    """The text of `tokens.py`, by SplitMix64."""
    state, mask = golden["seed"], (1 << 64) - 1

    def random():
        nonlocal state
        state = (state + 0x9E3779B97F4A7C15) & mask
        mixed = state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & mask
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & mask
        return mixed ^ (mixed >> 31)

    def line():
        return "".join(
            golden[list_][random() % len(golden[list_])]
            for _ in range(1 + random() % 12)
            for list_ in ("fragments", "separators")
        )

    return [line() for _ in range(golden["lines"])]


def digest(all_ids):
    hashed = hashlib.sha256()
    for ids in all_ids:
        hashed.update(len(ids).to_bytes(4, "little"))
        for id in ids:
            hashed.update(id.to_bytes(4, "little"))
    return hashed.hexdigest()


def main():
    os.makedirs(OUT, exist_ok=True)
    with open(os.path.join(HERE, "tokens", "golden.json"), encoding="utf-8") as file:
        golden = json.load(file)
    text = lines(golden)
    assert text[-1] == golden["last_line"]
    hashes = {}
    with open(RULES, "w") as file:
        file.write("BD\t31 2F 32\nB2\t32\nDF\t73 73\nA\t20\n")
    for name, options in KINDS.items():
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(text[:TRAINED]), model_writer=model, vocab_size=900, character_coverage=0.98,
            minloglevel=2, num_threads=1, **options)
        with open(os.path.join(OUT, name + ".model"), "wb") as file:
            file.write(model.getvalue())
        processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
        hashes[name] = digest(processor.encode(text[:HASHED]))
    os.remove(RULES)
    with open(os.path.join(OUT, "golden.json"), "w") as file:
        json.dump({"lines": HASHED, "hashes": hashes}, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
