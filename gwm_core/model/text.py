"""A small text encoder: words by their letters, tags per word, attributes per sentence.

A word is the mean of hashed n-gram vectors, so inflections, compounds and small typing errors
stay near what they came from. Two residual convolutions give words their context. Each word gets
a tag (what it speaks of, or that it means nothing here); each attribute looks at the words that
matter to it.
"""

from __future__ import annotations

import functools
import re
import unicodedata
import zlib

import numpy as np
import torch
from torch import nn

BUCKETS = 4096
MAX_WORDS = 48
MAX_GRAMS = 24
#: what a word can speak of; numbers and colours carry their value
TAGS = (
    "glue", "unknown", "theme", "time", "lamps", "fog", "floor", "ball", "box",
    "count1", "count2", "count3", "count4",
    "red", "blue", "green", "yellow", "purple", "white", "orange",
)
#: sentence attributes and how many values each has; value 0 is "not said"
HEADS = {"theme": 15, "time": 4, "lamps": 3, "fog": 4, "floor": 7}
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")


def split_words(text: str) -> list[str]:
    """Words in lower case without accents; hyphens split. At most 48 words are read."""
    plain = unicodedata.normalize("NFKD", text)
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    return [w.lower() for w in _WORD.findall(plain)][:MAX_WORDS]


@functools.lru_cache(maxsize=8192)
def grams(word: str) -> tuple[int, ...]:
    """Bucket numbers 1..4095 of a word and its 3- to 5-letter pieces (0 is padding)."""
    marked = f"<{word}>"
    pieces = [marked]
    for size in (3, 4, 5):
        pieces += [marked[i : i + size] for i in range(len(marked) - size + 1)]
    return tuple(1 + zlib.crc32(p.encode()) % (BUCKETS - 1) for p in pieces[:MAX_GRAMS])


def encode_words(sentences: list[list[str]]) -> torch.Tensor:
    """Bucket numbers int64 [B, L, 24] of split sentences, padded with 0."""
    length = max([len(s) for s in sentences] + [1])
    out = np.zeros((len(sentences), length, MAX_GRAMS), np.int64)
    for b, words in enumerate(sentences):
        for i, word in enumerate(words):
            ids = grams(word)
            out[b, i, : len(ids)] = ids
    return torch.from_numpy(out)


class TextEncoder(nn.Module):
    """Tags and attributes of sentences.

    forward(ids int64 [B, L, G]) -> dict: "tags" [B, L, 20] logits, one entry per head
    [B, values] logits, and "pooled" [B, width], a summary for other networks.
    """

    def __init__(self, width: int = 64, grams_width: int = 48, operations=nn) -> None:
        super().__init__()
        self.config = {"width": width, "grams_width": grams_width}
        self.table = operations.Embedding(BUCKETS, grams_width)
        self.enter = operations.Linear(grams_width, width)
        self.near = nn.ModuleList(
            operations.Conv1d(width, width, 5, padding=2) for _ in range(2)
        )
        self.mix = nn.ModuleList(operations.Linear(width, width) for _ in range(2))
        self.tags = operations.Linear(width, len(TAGS))
        self.look = operations.Linear(width, len(HEADS))
        self.heads = nn.ModuleDict(
            {name: operations.Linear(width, count) for name, count in HEADS.items()}
        )

    def forward(self, ids: torch.Tensor) -> dict[str, torch.Tensor]:
        present = (ids > 0).to(self.table.weight.dtype)
        count = present.sum(-1, keepdim=True)
        real = (count > 0).to(present.dtype)
        vectors = (self.table(ids) * present[..., None]).sum(2) / count.clamp(min=1).sqrt()
        x = torch.tanh(self.enter(vectors)) * real
        for near, mix in zip(self.near, self.mix, strict=True):
            y = torch.nn.functional.silu(near(x.transpose(1, 2)).transpose(1, 2))
            x = (x + mix(y)) * real
        score = self.look(x).masked_fill(real == 0, -1e4)
        weight = torch.softmax(score, dim=1) * real
        out = {"tags": self.tags(x)}
        summaries = torch.einsum("blh,blw->bhw", weight, x)
        for k, (name, head) in enumerate(self.heads.items()):
            out[name] = head(summaries[:, k])
        out["pooled"] = summaries.mean(1)
        return out
