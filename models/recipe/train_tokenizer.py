"""Learns a byte-pair vocabulary from sampled stories and writes it in llama2.c's tokenizer format.

Ids 0 to 2 are <unk>, <s>, </s>; 3 to 258 the bytes; then come the merged pieces, most useful first, and
last the single characters. The score of a piece is minus its rank: run.c merges the best score first,
which replays the order in which the pieces were learned. A character outside the vocabulary is spelt
in bytes.
"""

import argparse
import re
from collections import Counter

from checkpoint import FIRST_PIECE_ID, Tokenizer
from sample import SEPARATOR

# A piece stays within one word or one sign, each with the space in front of it. No merge can then
# cross the border of such a part, so a text may be encoded part by part.
PART = re.compile(r" ?[A-Za-z]+| ?[^A-Za-z\s]|\s")
# A rarer character costs its place in the vocabulary more than its bytes cost in the text.
CHARACTER_SHARE_MIN = 2e-5
STORIES_READ = 20000


def read_stories(path):
    with open(path) as file:
        stories = file.read().split("\n" + SEPARATOR + "\n")
    # The teacher repeats itself word for word now and then; a copy may not end up in the held-out part.
    return list(dict.fromkeys(story for story in stories if story))


def merge(parts, pair):
    """Every part with each occurrence of the pair joined into one piece."""
    first, second = pair
    joined = {}
    for pieces, count in parts.items():
        if first in pieces and second in pieces:
            out, i = [], 0
            while i < len(pieces):
                hit = pieces[i] == first and i + 1 < len(pieces) and pieces[i + 1] == second
                out.append(first + second if hit else pieces[i])
                i += 2 if hit else 1
            pieces = tuple(out)
        joined[pieces] = joined.get(pieces, 0) + count
    return joined


def learn_pieces(stories, vocab):
    words = Counter()
    for story in stories:
        words.update(PART.findall(" " + story))
    characters = Counter()
    for word, count in words.items():
        for character in word:
            characters[character] += count
    # A newline stays a byte: one piece fewer, and its own token either way.
    rare = CHARACTER_SHARE_MIN * characters.total()
    common = [c for c, count in characters.most_common() if count >= rare and c != "\n"]
    parts = {tuple(word): count for word, count in words.items()}
    merged = []
    while FIRST_PIECE_ID + len(merged) + len(common) < vocab:
        pairs = Counter()
        for pieces, count in parts.items():
            for pair in zip(pieces, pieces[1:]):
                pairs[pair] += count
        # Ties go to the alphabet, so that the result does not depend on the order of the stories.
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        parts = merge(parts, best)
        if best[0] + best[1] not in merged:
            merged.append(best[0] + best[1])
    return merged + common


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stories", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--vocab", type=int, default=512)
    args = parser.parse_args()

    stories = read_stories(args.stories)[:STORIES_READ]
    learned = learn_pieces(stories, args.vocab)
    pieces = [b"<unk>", b"\n<s>\n", b"\n</s>\n"]
    pieces += [b"<0x%02X>" % byte for byte in range(256)]
    pieces += [piece.encode() for piece in learned]
    scores = [0.0] * FIRST_PIECE_ID + [-float(rank) for rank in range(len(learned))]
    tokenizer = Tokenizer(pieces, scores)
    tokenizer.write(args.out)
    text = stories[0]
    ids = tokenizer.encode(text)
    if tokenizer.decode(ids) != text:
        raise SystemExit("the first story did not survive encoding and decoding")
    print(f"{len(learned)} pieces; first story: {len(text)} characters, {len(ids)} ids")


if __name__ == "__main__":
    main()
