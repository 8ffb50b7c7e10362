"""Makes the tokenizer goldens of `host/runtime/tests/tokenizers.rs`: small vocabularies trained on a seeded multilingual text, and the hash
of the ids that Hugging Face's tokenizers and SentencePiece give for each of its 10,000 lines.

    pip install torch transformers safetensors gguf sentencepiece tokenizers
    python3 tokens.py
"""

import hashlib
import io
import json
import os
import unicodedata

import gguf
import numpy as np
import sentencepiece
import tokenizers
import torch
import transformers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "tokens")
LINES = 10_000
SEED = 2026
CHAT = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
FRAGMENTS = """the of and once upon a time little boy Timmy don't I'm we'll THEY'RE naïve café Straße über größer garçon élève
niño corazón mañana São coração zażółć gęślą jaźń příliš žluťoučký kůň ąčęėįšųūž İstanbul ığdır Việt Nam tiếng đường
привет мир съешь ещё этих мягких Ελληνικά γλώσσα σοφία שלום עולם مرحبا بالعالم سلام دنیا हिन्दी भाषा नमस्ते বাংলা ভাষা தமிழ் తెలుగు
ไทย ภาษา 日本語 ひらがな カタカナ 漢字 中文 你好，世界。 한국어 안녕하세요 ქართული հայերեն አማርኛ ខ្មែរ
0 7 42 1999 3.14159 1,000,000 0xFF 12345678901 ½ ² ① ٣٤٥ १२३ x=y+z; fn main() {} #include <stdio.h> https://example.org/a?b=c&d=%20
e-mail@example.com C++ ... --- «…» “quoted” ‘single’ — – ¿qué? ¡sí! €5 £6 ¥7 ©®™ ∑∫√∞ ≤≥≠ → ← 😀 👩‍👩‍👧 🇩🇪 👍🏽 𝔘𝔫𝔦 𐍈 ߷ ﷽""".split()
SEPARATORS = [" ", " ", " ", " ", "", "  ", "   ", "\t", " \t ", ", ", ". ", "-", "_", "/", "\u00a0", "'", "\u3000"]


def splitmix(state):
    while True:
        state = (state + 0x9E3779B97F4A7C15) & (2**64 - 1)
        mixed = state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
        yield mixed ^ (mixed >> 31)


def text():
    numbers = splitmix(SEED)
    lines = []
    for _ in range(LINES):
        line = ""
        for _ in range(1 + next(numbers) % 12):
            line += FRAGMENTS[next(numbers) % len(FRAGMENTS)]
            line += SEPARATORS[next(numbers) % len(SEPARATORS)]
        assert unicodedata.normalize("NFC", line) == line, line
        lines.append(line)
    return lines


def digest(all_ids):
    found = hashlib.sha256()
    for ids in all_ids:
        found.update(np.array([len(ids), *ids], dtype="<u4").tobytes())
    return found.hexdigest()


def byte_level(lines, cut, normalizer=None, vocab=900):
    tokenizer = tokenizers.Tokenizer(models.BPE())
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = cut
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(vocab_size=vocab, special_tokens=special, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(lines[:2000], trainer)
    return tokenizer


def words(pattern):
    split = pre_tokenizers.Split(Regex(pattern), behavior="isolated", invert=False)
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def tiny_gguf(path, vocab):
    writer = gguf.GGUFWriter(path, "llama")
    for add, value in ((writer.add_block_count, 1), (writer.add_context_length, 64), (writer.add_embedding_length, 4),
                       (writer.add_feed_forward_length, 4), (writer.add_head_count, 1)):
        add(value)
    writer.add_layer_norm_rms_eps(1e-5)
    ones = lambda *shape: np.full(shape, 0.5, dtype=np.float16)
    writer.add_tensor("token_embd.weight", ones(vocab, 4))
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        writer.add_tensor(f"blk.0.{name}.weight", ones(4, 4))
    for name in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(4, dtype=np.float32))
    return writer


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def gguf_byte_level(name, tokenizer, rule):
    data = json.loads(tokenizer.to_str())
    pieces = sorted(data["model"]["vocab"], key=data["model"]["vocab"].get)
    special = {token["id"] for token in data["added_tokens"]}
    writer = tiny_gguf(os.path.join(OUT, name), len(pieces))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(rule)
    writer.add_token_list(pieces)
    writer.add_token_types([3 if id in special else 1 for id in range(len(pieces))])
    writer.add_token_merges([" ".join(pair) for pair in data["model"]["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(2)
    writer.add_chat_template(CHAT)
    finish(writer)


def case_hugging_face(lines, hashes):
    tokenizer = byte_level(lines, pre_tokenizers.ByteLevel(add_prefix_space=False))
    folder = os.path.join(OUT, "hugging_face")
    config = transformers.LlamaConfig(vocab_size=904, hidden_size=4, intermediate_size=4, num_hidden_layers=1,
                                      num_attention_heads=1, max_position_embeddings=64, bos_token_id=0, eos_token_id=0)
    transformers.LlamaForCausalLM(config).to(torch.float16).save_pretrained(folder)
    tokenizer.save(os.path.join(folder, "tokenizer.json"), pretty=False)
    settings = {"bos_token": "<|endoftext|>", "eos_token": {"content": "<|im_end|>"}, "add_bos_token": True, "chat_template": CHAT}
    for name, value in (("tokenizer_config.json", settings), ("generation_config.json", {"eos_token_id": [2, 0]})):
        with open(os.path.join(folder, name), "w") as file:
            json.dump(value, file, indent=1)
    hashes["hugging_face"] = digest(encoding.ids for encoding in tokenizer.encode_batch(lines))


def case_qwen2_gguf(lines, hashes):
    from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

    tokenizer = byte_level(lines, words(PRETOKENIZE_REGEX), normalizers.NFC())
    gguf_byte_level("qwen2.gguf", tokenizer, "qwen2")
    hashes["qwen2.gguf"] = digest(encoding.ids for encoding in tokenizer.encode_batch(lines))


def case_llama3_gguf(lines, hashes):
    from transformers.convert_slow_tokenizer import TikTokenConverter

    tokenizer = byte_level(lines, words(TikTokenConverter("").pattern))
    data = json.loads(tokenizer.to_str())
    data["model"]["ignore_merges"] = True
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(data))
    gguf_byte_level("llama3.gguf", tokenizer, "llama-bpe")
    hashes["llama3.gguf"] = digest(encoding.ids for encoding in tokenizer.encode_batch(lines))


def case_smollm_gguf(lines, hashes):
    cut = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer = byte_level(lines, cut)
    gguf_byte_level("smollm.gguf", tokenizer, "smollm")
    hashes["smollm.gguf"] = digest(encoding.ids for encoding in tokenizer.encode_batch(lines))


def case_sentencepiece_gguf(lines, hashes):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines[:4000]), model_writer=model, vocab_size=1200, model_type="bpe", byte_fallback=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, character_coverage=0.985,
        split_digits=True, allow_whitespace_only_pieces=True, minloglevel=2, num_threads=1)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    count = processor.vocab_size()
    kind = lambda id: 2 if processor.is_unknown(id) else 3 if processor.is_control(id) else 6 if processor.is_byte(id) else 1
    writer = tiny_gguf(os.path.join(OUT, "sentencepiece.gguf"), count)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([processor.id_to_piece(id) for id in range(count)])
    writer.add_token_scores([processor.get_score(id) for id in range(count)])
    writer.add_token_types([kind(id) for id in range(count)])
    writer.add_bos_token_id(processor.bos_id())
    writer.add_eos_token_id(processor.eos_id())
    writer.add_unk_token_id(processor.unk_id())
    finish(writer)
    hashes["sentencepiece.gguf"] = digest(processor.encode(lines))


def main():
    os.makedirs(os.path.join(OUT, "hugging_face"), exist_ok=True)
    lines, hashes = text(), {}
    for name, make in list(globals().items()):
        if name.startswith("case_"):
            make(lines, hashes)
    golden = {"seed": SEED, "lines": LINES, "fragments": FRAGMENTS, "separators": SEPARATORS,
              "last_line": lines[-1], "hashes": hashes}
    with open(os.path.join(OUT, "golden.json"), "w") as file:
        json.dump(golden, file, ensure_ascii=False, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
