"""The text that examples/gpt.py and gpt_nnx.py learn from: documents as bytes, packed into rows of one length."""

import re
import sys
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any, NamedTuple

import numpy as np

VOCAB, END = 256, 0  # every byte is a token; 0, which no text holds, stands before each document and ends the last


class Rows(NamedTuple):
    """Packed documents, int32 [rows, context] each, as `pack` makes them."""

    tokens: Any
    targets: Any
    segments: Any
    positions: Any

    def take(self, which: Any) -> "Rows":
        """Some of the rows."""
        return Rows(*(x[which] for x in self))


def load(path: str, context: int) -> tuple[Rows, Rows]:
    """Rows to train on and rows held out, of every tenth document; of a text, or of the reference of Python's language.

    A document is a paragraph, and stands in one of both only: paragraphs that come again are left out.
    """
    text = Path(path).read_text(encoding="utf-8") if path else "\n\n".join(topics.values())
    once = {" ".join(paragraph.split()): paragraph for paragraph in re.split(r"\n\s*\n", text)}
    documents = [paragraph.encode() for words, paragraph in once.items() if words]
    train = [document for i, document in enumerate(documents) if i % 10]
    return pack(train, context), pack(documents[::10], context)


def pack(documents: list[bytes], context: int) -> Rows:
    """Documents in one stream, cut into rows without a gap; what is left over at its end is dropped.

    tokens     . a b . c d e        . is END
    targets    a b . c d e .        the next token
    segments   1 1 1 2 2 2 2        one number a document
    positions  0 1 2 0 1 2 3        counted from its start, or from where the row cuts it
    """
    stream = encode(b"\0".join(documents) + b"\0")
    n = (len(stream) - 1) // context
    if n == 0:
        sys.exit(f"the text: got a part of {len(stream)} bytes, wanted more than the context of {context}")
    tokens, targets = (stream[i : i + n * context].reshape(n, context) for i in (0, 1))
    start, place = tokens == END, np.arange(context, dtype=np.int32)
    positions = place - np.maximum.accumulate(np.where(start, place, 0), axis=1)
    return Rows(tokens, targets, start.cumsum(axis=1, dtype=np.int32), positions)


def encode(text: bytes) -> np.ndarray:
    """A document's tokens, int32 [bytes + 1]."""
    return np.frombuffer(bytes([END]) + text, np.uint8).astype(np.int32)


def loss_by_counting(rows: Rows, held_out: Rows) -> float:
    """The loss of who knows how often each byte occurs and no more: what a model has to be well below."""
    counts = np.bincount(rows.targets.ravel(), minlength=VOCAB) + 1
    return float(-np.log(counts / counts.sum())[held_out.targets].mean())
