"""Makes the goldens of `host/model/tests/import.rs`: tiny random models of every architecture and format, with the logits that
Hugging Face's transformers compute for them, and token ids of Hugging Face's tokenizers and of SentencePiece.

    pip install torch transformers safetensors gguf sentencepiece tokenizers
    python3 recipe.py [case ...]

Weights come from a seed. Every case is a folder beside this file with `golden.json`: `tokens`, and the logits after each.
"""

import json
import os
import struct
import sys

import gguf
import numpy as np
import torch
import transformers
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
TOKENS = [1, 5, 9, 2, 44, 7, 7, 31, 12, 3, 60, 17]


def folder(name):
    path = os.path.join(HERE, name)
    os.makedirs(path, exist_ok=True)
    return path


def write_golden(name, logits):
    rows = [[float(f"{value:.7g}") for value in row] for row in np.asarray(logits, dtype=np.float64)]
    with open(os.path.join(folder(name), "golden.json"), "w") as file:
        json.dump({"tokens": TOKENS, "logits": rows}, file)
        file.write("\n")


def spread(model, seed):
    """Weights far from the small ones that models start with, so that every part matters to the logits."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.rand(parameter.shape, generator=generator) * 2 - 1
            if parameter.dim() == 1:
                centre = 1.0 if "norm" in name or "ln_" in name else 0.0
                parameter.copy_((centre if name.endswith("weight") else 0.0) + 0.3 * noise)
            else:
                parameter.copy_(noise * (3.0 / parameter.shape[1]) ** 0.5)
    return model


def logits_of(model):
    with torch.no_grad():
        return model.float().eval()(torch.tensor([TOKENS])).logits[0].numpy()


def hugging_face(name, config, seed, dtype=torch.float32, shard_size="50GB"):
    config._attn_implementation = "eager"
    model = spread(transformers.AutoModelForCausalLM.from_config(config), seed)
    # Weights alone are rounded: transformers keeps the rotary frequencies in fp32 when it loads a model.
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.to(dtype).float())
    write_golden(name, logits_of(model))
    model.to(dtype).save_pretrained(folder(name), max_shard_size=shard_size)


def llama_config(**changes):
    settings = dict(
        vocab_size=64, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-5, tie_word_embeddings=False,
    )
    settings.update(changes)
    return transformers.LlamaConfig(**settings)


def case_llama():
    hugging_face("llama", llama_config(rope_theta=50000.0), 1)


def case_llama3():
    scaling = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 16, "rope_theta": 500000.0}
    hugging_face("llama3", llama_config(head_dim=8, rope_parameters=scaling), 2, torch.bfloat16)


def case_llama_linear_sharded():
    scaling = {"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}
    hugging_face("llama_linear_sharded", llama_config(rope_parameters=scaling), 3, shard_size="20KB")


def case_smollm():
    hugging_face("smollm", llama_config(num_attention_heads=3, num_key_value_heads=1, tie_word_embeddings=True), 4, torch.float16)


def case_mistral():
    settings = llama_config().to_dict()
    config = transformers.MistralConfig(**{key: settings[key] for key in (
        "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
        "num_key_value_heads", "max_position_embeddings", "rms_norm_eps")}, sliding_window=5, tie_word_embeddings=False)
    hugging_face("mistral", config, 5)


def case_qwen2():
    hugging_face("qwen2", transformers.Qwen2Config(
        vocab_size=64, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, tie_word_embeddings=True), 6)


def case_qwen3():
    hugging_face("qwen3", transformers.Qwen3Config(
        vocab_size=64, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=10, max_position_embeddings=64, tie_word_embeddings=False), 7)


def case_gemma():
    hugging_face("gemma", transformers.GemmaConfig(
        vocab_size=64, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=1, head_dim=8, max_position_embeddings=64), 8)


def case_stablelm():
    hugging_face("stablelm", transformers.StableLmConfig(
        vocab_size=64, hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, use_qkv_bias=True, tie_word_embeddings=False), 9)


def small(**changes):
    """The shape of the families below: small files."""
    settings = dict(vocab_size=64, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
                    num_key_value_heads=2, max_position_embeddings=64, tie_word_embeddings=False, pad_token_id=None,
                    bos_token_id=1, eos_token_id=2)
    return settings | changes


def yarn(**changes):
    return {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "rope_theta": 10000.0} | changes


def neox(**changes):
    settings = small(rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5}, **changes)
    del settings["num_key_value_heads"]
    return transformers.GPTNeoXConfig(**settings)


FAMILIES = {
    "gemma2": lambda: transformers.Gemma2Config(**small(
        num_hidden_layers=3, head_dim=8, query_pre_attn_scalar=24, sliding_window=5, attn_logit_softcapping=2.0,
        final_logit_softcapping=3.0, tie_word_embeddings=True)),
    "gemma3": lambda: transformers.Gemma3TextConfig(**small(
        num_hidden_layers=4, head_dim=8, query_pre_attn_scalar=24, sliding_window=5, tie_word_embeddings=True,
        layer_types=["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
        rope_parameters={"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1000000.0},
                         "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}})),
    "phi3": lambda: transformers.Phi3Config(**small(sliding_window=7)),
    "phi3_longrope": lambda: transformers.Phi3Config(**small(
        original_max_position_embeddings=32, max_position_embeddings=128, num_attention_heads=2,
        num_key_value_heads=1, rope_parameters={
            "rope_type": "longrope", "rope_theta": 10000.0, "partial_rotary_factor": 0.75,
            "short_factor": [1.0, 1.25, 1.5], "long_factor": [2.0, 3.0, 4.0], "original_max_position_embeddings": 32})),
    "olmo2": lambda: transformers.Olmo2Config(**small(rope_parameters={"rope_type": "default", "rope_theta": 500000.0})),
    "granite": lambda: transformers.GraniteConfig(**small(
        embedding_multiplier=6.0, attention_multiplier=0.3, residual_multiplier=0.4, logits_scaling=3.0,
        tie_word_embeddings=True)),
    "smollm3": lambda: transformers.SmolLM3Config(**small(
        num_hidden_layers=4, no_rope_layer_interval=2, tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 5000000.0})),
    "gpt_neox": neox,
    "gpt_neox_serial": lambda: neox(use_parallel_residual=False, hidden_act="gelu_new"),
    "llama_yarn": lambda: llama_config(**small(head_dim=16, rope_parameters=yarn())),
    "llama_yarn_mscale": lambda: llama_config(**small(head_dim=16, rope_parameters=yarn(
        mscale=1.5, mscale_all_dim=0.5, beta_fast=16, beta_slow=2, truncate=False))),
    "llama_dynamic": lambda: llama_config(**small(rope_parameters={
        "rope_type": "dynamic", "factor": 4.0, "rope_theta": 10000.0})),
}
SEEDS = {name: 30 + index for index, name in enumerate(FAMILIES)}


def case_families():
    for name in FAMILIES:
        hugging_face(name, FAMILIES[name](), SEEDS[name], torch.bfloat16)


def gpt2_config():
    return transformers.GPT2Config(vocab_size=64, n_embd=24, n_layer=2, n_head=3, n_positions=32)


def case_gpt2():
    hugging_face("gpt2", gpt2_config(), 10)


def case_gpt_neo():
    hugging_face("gpt_neo", transformers.GPTNeoConfig(
        vocab_size=64, hidden_size=24, num_layers=2, num_heads=3, max_position_embeddings=32, window_size=4,
        attention_types=[[["global", "local"], 1]]), 11)


def case_microgpt():
    """Written out here: no library has this architecture."""
    generator = torch.Generator().manual_seed(12)
    dim, hidden, heads, vocab, context = 16, 64, 4, 64, 16
    shapes = {"wte": (vocab, dim), "wpe": (context, dim), "lm_head": (vocab, dim)}
    shapes |= {f"layer0.attn_w{part}": (dim, dim) for part in "qkvo"}
    shapes |= {"layer0.mlp_fc1": (hidden, dim), "layer0.mlp_fc2": (dim, hidden)}
    weights = {name: torch.randn(shape, generator=generator) * 0.4 for name, shape in shapes.items()}
    norm = lambda x: x / torch.sqrt((x * x).mean(-1, keepdim=True) + 1e-5)
    x = norm(weights["wte"][torch.tensor(TOKENS)] + weights["wpe"][: len(TOKENS)])
    n = norm(x)
    q, k, v = (n @ weights[f"layer0.attn_w{part}"].T for part in "qkv")
    split = lambda m: m.view(len(TOKENS), heads, dim // heads).transpose(0, 1)
    scores = split(q) @ split(k).transpose(1, 2) / (dim // heads) ** 0.5
    mask = torch.full_like(scores[0], float("-inf")).triu(1)
    mix = ((scores + mask).softmax(-1) @ split(v)).transpose(0, 1).reshape(len(TOKENS), dim)
    x = x + mix @ weights["layer0.attn_wo"].T
    x = x + torch.relu(norm(x) @ weights["layer0.mlp_fc1"].T) @ weights["layer0.mlp_fc2"].T
    save_file(weights, os.path.join(folder("microgpt"), "model.safetensors"))
    config = {"model_type": "microgpt", "vocab_size": vocab, "n_embd": dim, "n_layer": 1, "n_head": heads, "block_size": context}
    with open(os.path.join(folder("microgpt"), "config.json"), "w") as file:
        json.dump(config, file, indent=1)
    write_golden("microgpt", x @ weights["lm_head"].T)


def adjacent(weight, heads):
    """Rows of a query or key matrix from Hugging Face's order of pairs to that of llama2.c and GGUF."""
    head = weight.shape[0] // heads
    return weight.reshape(heads, 2, head // 2, -1).transpose(1, 2).reshape(weight.shape)


def llama2c_model():
    return spread(transformers.LlamaForCausalLM(llama_config(hidden_size=32, num_key_value_heads=4)), 13)


def llama2c_header(config, version, tied):
    header = struct.pack("<Ii7i", 0x616B3432, version, config.hidden_size, config.intermediate_size,
                         config.num_hidden_layers, config.num_attention_heads, config.num_key_value_heads,
                         config.vocab_size, config.max_position_embeddings)
    return header + struct.pack("<B", tied)


def llama2c_arrays(model):
    state, config = model.state_dict(), model.config
    layer = lambda name: [state[f"model.layers.{i}.{name}.weight"] for i in range(config.num_hidden_layers)]
    norms = layer("input_layernorm") + layer("post_attention_layernorm") + [state["model.norm.weight"]]
    q = [adjacent(w, config.num_attention_heads) for w in layer("self_attn.q_proj")]
    k = [adjacent(w, config.num_key_value_heads) for w in layer("self_attn.k_proj")]
    rest = [layer(name) for name in ("self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.down_proj", "mlp.up_proj")]
    weights = [state["model.embed_tokens.weight"], *q, *k, *(w for part in rest for w in part), state["lm_head.weight"]]
    return norms, weights


def case_llama2c_v1():
    model = llama2c_model()
    norms, weights = llama2c_arrays(model)
    with open(os.path.join(folder("llama2c_v1"), "model.bin"), "wb") as file:
        file.write(llama2c_header(model.config, 1, 0).ljust(256, b"\0"))
        for array in norms + weights:
            file.write(array.contiguous().numpy().astype("<f4").tobytes())
    write_golden("llama2c_v1", logits_of(model))


def case_llama2c_v2():
    """Weights are rounded first, so that the oracle computes with what the file says."""
    model, group = llama2c_model(), 32
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                groups = parameter.reshape(-1, group)
                scale = groups.abs().amax(1, keepdim=True) / 127
                parameter.copy_((groups / scale).round().mul(scale).reshape(parameter.shape))
    norms, weights = llama2c_arrays(model)
    with open(os.path.join(folder("llama2c_v2"), "model.bin"), "wb") as file:
        file.write((llama2c_header(model.config, 2, 0) + struct.pack("<i", group)).ljust(256, b"\0"))
        for array in norms:
            file.write(array.numpy().astype("<f4").tobytes())
        for array in weights:
            groups = array.contiguous().reshape(-1, group)
            scale = groups.abs().amax(1, keepdim=True) / 127
            file.write((groups / scale).round().numpy().astype("i1").tobytes())
            file.write(scale.numpy().astype("<f4").tobytes())
    write_golden("llama2c_v2", logits_of(model))


LLAMA_NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
}


def gguf_name(name):
    if name.startswith("model.layers."):
        _, _, index, rest = name.split(".", 3)
        part, kind = rest.rsplit(".", 1)
        return f"blk.{index}.{LLAMA_NAMES[part]}.{kind}"
    return {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
            "model.norm.bias": "output_norm.bias", "lm_head.weight": "output.weight"}[name]


def gguf_writer(name, arch, config, seed):
    writer = gguf.GGUFWriter(os.path.join(folder(name), "model.gguf"), arch)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    return writer


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def k_blocks(shape, kind, generator):
    """Random blocks of a k-format with factors of a sensible size: gguf can read these formats but not write them."""
    size, type_size = gguf.GGML_QUANT_SIZES[kind]
    blocks = shape[0] * shape[1] // size
    raw = generator.integers(0, 256, (blocks, type_size), dtype=np.uint8)
    factor = np.float16(0.002 * (256 / shape[1]) ** 0.5)
    half = np.frombuffer(factor.tobytes(), dtype=np.uint8)
    at = [208] if kind == gguf.GGMLQuantizationType.Q6_K else [0, 2]
    for place in at:
        raw[:, place : place + 2] = half
    if kind == gguf.GGMLQuantizationType.Q6_K:
        raw[:, 192:208] = generator.integers(-20, 20, (blocks, 16), dtype=np.int8).view(np.uint8)
    return raw.reshape(shape[0], -1)


def case_gguf_quants():
    """Every number format in one Llama; rows of 256 values for the k-formats."""
    kinds = gguf.GGMLQuantizationType
    config = llama_config(hidden_size=256, intermediate_size=32, num_attention_heads=4, num_key_value_heads=2,
                          head_dim=8, num_hidden_layers=1)
    model = spread(transformers.LlamaForCausalLM(config), 14)
    chosen = {"attn_q": kinds.Q4_K, "attn_k": kinds.Q5_K, "attn_v": kinds.Q6_K, "attn_output": kinds.Q8_0,
              "ffn_gate": kinds.Q4_K, "ffn_up": kinds.Q5_K, "ffn_down": kinds.Q4_0, "token_embd": kinds.BF16,
              "output": kinds.F16}
    writer = gguf_writer("gguf_quants", "llama", config, 14)
    writer.add_key_length(8)
    writer.add_rope_dimension_count(8)
    generator = np.random.default_rng(14)
    state = model.state_dict()
    for name, tensor in state.items():
        target = gguf_name(name)
        part = target.split(".")[-2]
        kind = chosen.get(part, kinds.F32)
        if kind == kinds.F32:
            writer.add_tensor(target, tensor.numpy())
            continue
        if kind in (kinds.Q4_K, kinds.Q5_K, kinds.Q6_K):
            raw = k_blocks(tuple(tensor.shape), kind, generator)
        else:
            raw = gguf.quants.quantize(tensor.numpy(), kind)
        writer.add_tensor(target, raw, raw_dtype=kind)
        values = torch.tensor(gguf.quants.dequantize(raw, kind).astype(np.float32).reshape(tensor.shape))
        if part in ("attn_q", "attn_k"):
            heads = values.shape[0] // 8
            values = values.reshape(heads, 4, 2, -1).transpose(1, 2).reshape(values.shape)
        tensor.copy_(values)
    finish(writer)
    write_golden("gguf_quants", logits_of(model))


# What the package's numbers say of blocks that it cannot read itself. Integers and fp64 are what they are.
Q8_1_BYTES = 2 + 2 + 32
TABLES = {"iq2_xxs": "IQ2_XXS", "iq2_xs": "IQ2_XS", "iq2_s": "IQ2_S", "iq3_xxs": "IQ3_XXS", "iq3_s": "IQ3_S", "iq1": "IQ1_S"}


def factors(raw, kind):
    """Sensible numbers where random bytes could be none, or no finite one."""
    kinds, half = gguf.GGMLQuantizationType, np.array([-0.01234, 0.0432], dtype="<f2").view(np.uint8).reshape(2, 2)
    ends = {kinds.Q3_K: [108], kinds.Q6_K: [208], kinds.Q2_K: [80, 82], kinds.TQ1_0: [52], kinds.TQ2_0: [64]}
    starts = {kinds.Q4_1: [0, 2], kinds.Q5_1: [0, 2], kinds.Q4_K: [0, 2], kinds.Q5_K: [0, 2], kinds.Q8_1: [0, 2]}
    if kind == kinds.Q8_K:
        raw[:, :4] = np.full((len(raw), 1), -0.0123456, dtype="<f4").view(np.uint8)
    elif kind == kinds.IQ1_M:
        raw[:, 49::2] = raw[:, 49::2] & 0x0F | np.array([0x30, 0x20, 0x10, 0x20], dtype=np.uint8)
    elif kind == kinds.MXFP4:
        raw[:, 0] = raw[:, 0] % 24 * 10
    elif kind != kinds.NVFP4:
        for index, place in enumerate((starts | ends).get(kind, [0])):
            raw[:, place : place + 2] = half[index]
    return raw


def gguf_values(raw, kind):
    kinds = gguf.GGMLQuantizationType
    if kind == kinds.Q8_1:
        return raw[:, 4:].view(np.int8) * raw[:, :2].copy().view("<f2").astype(np.float32)
    if kind == kinds.Q8_K:
        return raw[:, :4].copy().view("<f4") * raw[:, 4:260].view(np.int8)
    return gguf.quants.dequantize(raw, kind)


def case_gguf_types():
    """Random blocks of every format as tensors of one file, and the values that the package reads from them as those of
    another. Every table of levels becomes a file beside the reader."""
    kinds, generator = gguf.GGMLQuantizationType, np.random.default_rng(18)
    # The package has the size of an older Q8_1, whose two factors were fp32.
    gguf.GGML_QUANT_SIZES[kinds.Q8_1] = (32, Q8_1_BYTES)
    plain = {kinds.F32: "<f4", kinds.F16: "<f2", kinds.F64: "<f8", kinds.I8: "i1", kinds.I16: "<i2", kinds.I32: "<i4", kinds.I64: "<i8"}
    writers = [gguf.GGUFWriter(os.path.join(folder("gguf_types"), f"{file}.gguf"), "llama") for file in ("blocks", "values")]
    for kind in kinds:
        if kind == kinds.Q1_0:
            continue
        size, type_size = gguf.GGML_QUANT_SIZES[kind]
        if kind in plain:
            raw = (generator.standard_normal(64) * 50).astype(plain[kind]).view(np.uint8)
            values = raw.view(plain[kind]).astype(np.float32)
        elif kind == kinds.BF16:
            raw = gguf.quants.quantize(generator.standard_normal(64).astype(np.float32), kind)
            values = gguf.quants.dequantize(raw, kind)
        else:
            raw = factors(generator.integers(0, 256, (512 // size, type_size), dtype=np.uint8), kind)
            values = gguf_values(raw, kind)
        writers[0].add_tensor(kind.name, raw.reshape(-1), raw_dtype=kind)
        writers[1].add_tensor(kind.name, values.reshape(-1).astype(np.float32))
    for writer in writers:
        finish(writer)
    tables = os.path.join(HERE, "../../src/packed/tables")
    os.makedirs(tables, exist_ok=True)
    for name, kind in TABLES.items():
        with open(os.path.join(tables, f"{name}.bin"), "wb") as file:
            file.write(bytes.fromhex(getattr(gguf.quants, kind).grid_hex.decode()))


def add_all(writer, model, permuted):
    for name, tensor in model.state_dict().items():
        config, target = model.config, gguf_name(name)
        if permuted and ".attn_q." in target:
            tensor = adjacent(tensor, config.num_attention_heads)
        if permuted and ".attn_k." in target:
            tensor = adjacent(tensor, config.num_key_value_heads)
        if model.config.tie_word_embeddings and target == "output.weight":
            continue
        writer.add_tensor(target, tensor.contiguous().numpy())


def case_gguf_qwen3():
    config = transformers.Qwen3Config(
        vocab_size=64, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=10, max_position_embeddings=64, tie_word_embeddings=True)
    model = spread(transformers.AutoModelForCausalLM.from_config(config), 15)
    writer = gguf_writer("gguf_qwen3", "qwen3", config, 15)
    writer.add_key_length(10)
    add_all(writer, model, False)
    finish(writer)
    write_golden("gguf_qwen3", logits_of(model))


def case_gguf_llama3():
    scaling = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 16, "rope_theta": 500000.0}
    config = llama_config(head_dim=8, rope_parameters=scaling)
    model = spread(transformers.LlamaForCausalLM(config), 16)
    writer = gguf_writer("gguf_llama3", "llama", config, 16)
    writer.add_key_length(8)
    writer.add_rope_freq_base(500000.0)
    plain = 1.0 / 500000.0 ** (np.arange(0, 8, 2) / 8)
    scaled = model.model.rotary_emb.inv_freq.numpy()
    writer.add_tensor("rope_freqs.weight", (plain / scaled).astype(np.float32))
    add_all(writer, model, True)
    finish(writer)
    write_golden("gguf_llama3", logits_of(model))


FAMILY_NAMES = {
    "gemma2": {"post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
               "post_feedforward_layernorm": "post_ffw_norm"},
    "phi3": {"self_attn.qkv_proj": "attn_qkv", "mlp.gate_up_proj": "ffn_up"},
    "gptneox": {"attention.query_key_value": "attn_qkv", "attention.dense": "attn_output", "mlp.dense_h_to_4h": "ffn_up",
                "mlp.dense_4h_to_h": "ffn_down"},
}
FAMILY_NAMES["gemma3"] = FAMILY_NAMES["olmo2"] = FAMILY_NAMES["gemma2"]


def add_family(writer, model, arch):
    """Tensors under their GGUF names and in their GGUF order, as llama.cpp's converter writes them."""
    config = model.config
    heads, kv_heads = config.num_attention_heads, getattr(config, "num_key_value_heads", None)
    for name, tensor in model.state_dict().items():
        name = name.replace("gpt_neox.", "model.").replace("embed_in", "embed_tokens").replace("final_layer_norm", "norm")
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        part = name.split(".", 3)[-1].rsplit(".", 1)[0]
        known = FAMILY_NAMES.get(arch, {}).get(part)
        target = f"blk.{name.split('.')[2]}.{known}.{name.rsplit('.', 1)[1]}" if known else gguf_name(name)
        if arch in ("granite", "smollm3", "llama") and part in ("self_attn.q_proj", "self_attn.k_proj"):
            tensor = adjacent(tensor, heads if part.endswith("q_proj") else kv_heads)
        if arch == "gptneox" and part == "attention.query_key_value":
            tensor = tensor.reshape(heads, 3, -1, *tensor.shape[1:]).transpose(0, 1).reshape(tensor.shape)
        if arch in ("gemma2", "gemma3") and "norm" in name:
            tensor = tensor + 1
        if tensor.dim() == 1:
            writer.add_tensor(target, tensor.contiguous().numpy())
        else:
            kind = gguf.GGMLQuantizationType.BF16
            writer.add_tensor(target, gguf.quants.quantize(tensor.contiguous().numpy(), kind), raw_dtype=kind)


def family(name, arch, more, **changes):
    """The GGUF file of a model of FAMILIES, with what the format cannot say as it takes it for given."""
    config = FAMILIES[name]()
    for key, value in changes.items():
        setattr(config, key, value)
    config._attn_implementation = "eager"
    model = spread(transformers.AutoModelForCausalLM.from_config(config), SEEDS[name])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.to(torch.bfloat16).float())
    if not hasattr(config, "num_key_value_heads"):
        config.num_key_value_heads = config.num_attention_heads
    config.rms_norm_eps = getattr(config, "rms_norm_eps", 1e-5)
    writer = gguf_writer(f"gguf_{name}", arch, config, SEEDS[name])
    more(writer, config)
    add_family(writer, model, arch)
    finish(writer)
    write_golden(f"gguf_{name}", logits_of(model))


def case_gguf_families():
    def gemma(writer, config):
        writer.add_key_length(config.head_dim)
        writer.add_sliding_window(config.sliding_window)

    def gemma2(writer, config):
        gemma(writer, config)
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)

    def gemma3(writer, config):
        gemma(writer, config)
        writer.add_rope_freq_base(1000000.0)
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(8.0)
        writer.add_sliding_window_pattern([True, False, True, False])

    def longrope(writer, config):
        writer.add_rope_dimension_count(6)
        writer.add_rope_scaling_orig_ctx_len(32)
        writer.add_rope_scaling_attn_factors((1 + np.log(4) / np.log(32)) ** 0.5)
        for length in ("short", "long"):
            values = np.array(config.rope_parameters[f"{length}_factor"], dtype=np.float32)
            writer.add_tensor(f"rope_factors_{length}.weight", values)

    def granite(writer, config):
        writer.add_embedding_scale(config.embedding_multiplier)
        writer.add_residual_scale(config.residual_multiplier)
        writer.add_attention_scale(config.attention_multiplier)
        writer.add_logit_scale(config.logits_scaling)

    def gptneox(writer, config):
        writer.add_layer_norm_eps(config.layer_norm_eps)
        writer.add_rope_dimension_count(2)
        writer.add_parallel_residual(config.use_parallel_residual)

    def yarn(writer, config):
        writer.add_key_length(16)
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(4.0)
        writer.add_rope_scaling_orig_ctx_len(16)

    family("gemma2", "gemma2", gemma2, query_pre_attn_scalar=8)
    family("gemma3", "gemma3", gemma3, query_pre_attn_scalar=8)
    family("phi3", "phi3", lambda writer, config: writer.add_sliding_window(7))
    family("phi3_longrope", "phi3", longrope)
    family("olmo2", "olmo2", lambda writer, config: writer.add_rope_freq_base(500000.0))
    family("granite", "granite", granite)
    family("gpt_neox", "gptneox", gptneox)
    family("llama_yarn", "llama", yarn)
    family("smollm3", "smollm3", lambda writer, config: writer.add_rope_freq_base(5000000.0), no_rope_layers=[1, 1, 1, 0])


def case_gguf_gpt2():
    model = spread(transformers.GPT2LMHeadModel(gpt2_config()), 17)
    writer = gguf.GGUFWriter(os.path.join(folder("gguf_gpt2"), "model.gguf"), "gpt2")
    writer.add_block_count(2)
    writer.add_context_length(32)
    writer.add_embedding_length(24)
    writer.add_feed_forward_length(96)
    writer.add_head_count(3)
    writer.add_layer_norm_eps(1e-5)
    parts = {"ln_1": "attn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "ln_2": "ffn_norm",
             "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}
    for name, tensor in model.state_dict().items():
        name = name.removeprefix("transformer.")
        if name.startswith("h."):
            _, index, rest = name.split(".", 2)
            part, kind = rest.rsplit(".", 1)
            tensor = tensor.T if ".c_" in f".{part}" and kind == "weight" else tensor
            writer.add_tensor(f"blk.{index}.{parts[part]}.{kind}", tensor.contiguous().numpy())
        elif name != "lm_head.weight":
            whole = {"wte.weight": "token_embd.weight", "wpe.weight": "position_embd.weight"}
            target = whole.get(name) or name.replace("ln_f", "output_norm")
            writer.add_tensor(target, tensor.numpy())
    finish(writer)
    write_golden("gguf_gpt2", logits_of(model))


def main():
    cases = {name.removeprefix("case_"): make for name, make in globals().items() if name.startswith("case_")}
    for name in sys.argv[1:] or cases:
        cases[name]()
        print(name)


if __name__ == "__main__":
    main()
