"""Makes a GGUF model of another architecture in a second: qwen2, two layers, random weights.

Its vocabulary is the 256 bytes plus a few whole words and marks, so that what it writes under a
grammar ends now and then. What it says is noise; that the pipeline holds is the point.
"""

import gguf
import numpy as np

WIDTH, HEADS, LAYERS, INNER, CONTEXT = 64, 4, 2, 128, 1024
WORDS = [
    " the",
    " model",
    " trains",
    " fast",
    " in",
    " 77",
    " GPU",
    " hours",
    " [1].",
    " [2].",
    " [1][2].",
]
CONTROL = ["<|end|>", "<|user|>"]
TEMPLATE = (
    "{% for m in messages %}<|user|>{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|user|>assistant:{% endif %}"
)


def _bytes_alphabet():
    """GPT-2's printable stand-ins for the 256 bytes (Radford et al. 2019, encoder.py)."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {b: chr(b) for b in kept}
    extra = 0
    for b in range(256):
        if b not in table:
            table[b] = chr(256 + extra)
            extra += 1
    return table


def write_tiny_gguf(path, *, template=TEMPLATE, seed=0):
    alphabet = _bytes_alphabet()
    words = ["".join(alphabet[b] for b in word.encode()) for word in WORDS]
    tokens = [*alphabet.values(), *words, *CONTROL]
    kinds = [gguf.TokenType.NORMAL] * (256 + len(words)) + [gguf.TokenType.CONTROL] * len(CONTROL)
    random = np.random.default_rng(seed)

    def noise(*shape):
        return (random.standard_normal(shape) * 0.05).astype(np.float32)

    writer = gguf.GGUFWriter(str(path), "qwen2")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([f"{alphabet[97]} {alphabet[98]}"])
    writer.add_eos_token_id(len(tokens) - 2)
    writer.add_bos_token_id(len(tokens) - 2)
    writer.add_add_bos_token(False)
    if template is not None:
        writer.add_chat_template(template)
    writer.add_tensor("token_embd.weight", noise(len(tokens), WIDTH))
    writer.add_tensor("output.weight", noise(len(tokens), WIDTH))
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, dtype=np.float32))
    for layer in range(LAYERS):
        name = f"blk.{layer}"
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"{name}.{norm}.weight", np.ones(WIDTH, dtype=np.float32))
        for part in ("q", "k", "v"):
            writer.add_tensor(f"{name}.attn_{part}.weight", noise(WIDTH, WIDTH))
            writer.add_tensor(f"{name}.attn_{part}.bias", np.zeros(WIDTH, dtype=np.float32))
        writer.add_tensor(f"{name}.attn_output.weight", noise(WIDTH, WIDTH))
        writer.add_tensor(f"{name}.ffn_gate.weight", noise(INNER, WIDTH))
        writer.add_tensor(f"{name}.ffn_up.weight", noise(INNER, WIDTH))
        writer.add_tensor(f"{name}.ffn_down.weight", noise(WIDTH, INNER))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_tiny_llama(path, *, seed=0):
    """A Llama over bytes with weights of every type that the embedded model's file has."""
    random = np.random.default_rng(seed)
    types = gguf.GGMLQuantizationType
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS // 2)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    writer.add_token_list(list(_bytes_alphabet().values()))

    def add(name, rows, columns, kind):
        weights = (random.standard_normal((rows, columns)) * 0.2).astype(np.float32)
        raw = gguf.quants.quantize(weights, kind)
        writer.add_tensor(name, raw, raw_dtype=kind)

    add("token_embd.weight", 256, WIDTH, types.Q8_0)
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, dtype=np.float32))
    for layer in range(LAYERS):
        name = f"blk.{layer}"
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"{name}.{norm}.weight", np.ones(WIDTH, dtype=np.float32))
        add(f"{name}.attn_q.weight", WIDTH, WIDTH, types.Q4_1)
        add(f"{name}.attn_k.weight", WIDTH // 2, WIDTH, types.Q4_1)
        add(f"{name}.attn_v.weight", WIDTH // 2, WIDTH, types.Q4_1)
        add(f"{name}.attn_output.weight", WIDTH, WIDTH, types.Q4_1)
        add(f"{name}.ffn_gate.weight", INNER, WIDTH, types.F16)
        add(f"{name}.ffn_up.weight", INNER, WIDTH, types.Q4_1)
        add(f"{name}.ffn_down.weight", WIDTH, INNER, types.Q4_1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
