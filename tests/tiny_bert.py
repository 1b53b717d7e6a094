"""A seeded BERT of a few thousand weights with its tokenizer, laid out as the MiniLM package is."""

from __future__ import annotations

from pathlib import Path

WORDS = """
the a of we in is it how what many does method model data reader paper finds shows uses
seven layers gpu hours cats dogs robots bandits faster slow accuracy memory
"""


def write_tiny_bert(folder: Path, *, seed: int = 0) -> Path:
    import torch
    from tokenizers import Tokenizer, normalizers, pre_tokenizers
    from tokenizers.models import WordPiece
    from transformers import BertConfig
    from transformers.models.bert.modeling_bert import BertModel

    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    letters = list("abcdefghijklmnopqrstuvwxyz0123456789.?!,")
    inner = [f"##{c}" for c in letters]
    vocabulary = list(dict.fromkeys([*marks, *WORDS.split(), *letters, *inner]))
    tokenizer = Tokenizer(WordPiece({w: i for i, w in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=512,
    )  # fmt: skip
    BertModel(config).save_pretrained(str(folder))
    return folder
