"""What scripts/bench_attention.py measures: one name a configuration, and the arrays it needs."""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Case:
    """One attention call, float32.

    Args:
      T: the number of queries and of keys.
      batch, heads, kv_heads, head_dim: B, N, K, H.
      runs: vmap over that many of these, with sequences of their own; None = no vmap.
      is_causal: queries see keys up to their own place.
      window: and this many before their own place, none after it.
      documents: that many packed sequences, which do not see each other.
      bias: a [N, T, T] array is added to the scores.
      learned: and its gradient is wanted.
      alibi: scores fall with distance, by head.
      soft_cap: scores pass through cap * tanh(score / cap).
      dropout: the share of dropped weights.
      against: the name of the case whose time this one's is divided by.
      timed: False: only compiled, for its temporaries.
    """

    T: int
    batch: int = 1
    heads: int = 8
    kv_heads: int = 8
    head_dim: int = 64
    runs: int | None = None
    is_causal: bool = False
    window: int | None = None
    documents: int | None = None
    bias: bool = False
    learned: bool = False
    alibi: bool = False
    soft_cap: float | None = None
    dropout: float = 0.0
    against: str | None = None
    timed: bool = True

    @property
    def lead(self) -> tuple[int, ...]:
        """The leading dimensions of query, key and value, runs first."""
        return (self.batch,) if self.runs is None else (self.runs, self.batch)

    @property
    def segment_ids(self) -> np.ndarray:
        """int32 [T]: documents of nearly equal lengths."""
        return (np.arange(self.T) * (self.documents or 1) // self.T).astype(np.int32)

    @property
    def slopes(self) -> np.ndarray:
        """float32 [N], the slopes of ALiBi for N a power of 2."""
        return 2.0 ** (-8.0 * np.arange(1, self.heads + 1, dtype=np.float32) / self.heads)

    def visible(self) -> np.ndarray | None:
        """The mask as an array, bool [T, T], for those who take no other; None where all is seen."""
        q, k = np.arange(self.T)[:, None], np.arange(self.T)
        mask = np.ones((self.T, self.T), bool)
        if self.is_causal:
            mask &= k <= q
        if self.window is not None:
            mask &= (k <= q) & (k >= q - self.window)
        if self.documents is not None:
            mask &= self.segment_ids[:, None] == self.segment_ids
        return None if mask.all() else mask

    def added(self) -> np.ndarray | None:
        """What is added to the scores as an array, float32 [N, T, T]; None where nothing is."""
        if self.alibi:
            distance = np.abs(np.arange(self.T)[:, None] - np.arange(self.T)).astype(np.float32)
            return -self.slopes[:, None, None] * distance
        if self.bias:
            return np.random.default_rng(4).standard_normal((self.heads, self.T, self.T), np.float32)
        return None

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Query, key, value and cotangent, [..., T, N | K, H]."""
        heads = (self.heads, self.kv_heads, self.kv_heads, self.heads)
        draws = [np.random.default_rng(seed) for seed in range(4)]
        q, k, v, g = (
            draw.standard_normal((*self.lead, self.T, n, self.head_dim), np.float32)
            for draw, n in zip(draws, heads, strict=True)
        )
        return q, k, v, g


def _kinds(T: int) -> dict[str, Case]:
    """Every kind of mask and score at 8 heads of 64, to be compared with the full one."""
    full = Case(T)
    kinds = {
        "causal": replace(full, is_causal=True),
        "window": replace(full, window=256),
        "bias": replace(full, bias=True),
        "bias-learned": replace(full, bias=True, learned=True),
        "soft-cap": replace(full, soft_cap=30.0),
        "alibi": replace(full, alibi=True),
        "segments": replace(full, documents=4),
        "dropout": replace(full, dropout=0.1),
        "gqa": replace(full, kv_heads=2),
    }
    return {f"full-{T}": full} | {f"{kind}-{T}": replace(case, against=f"full-{T}") for kind, case in kinds.items()}


def _training(T: int) -> dict[str, Case]:
    """768 heads of 16, causal: at once, and as 12 runs of 64."""
    at_once = Case(T, batch=384, heads=2, kv_heads=2, head_dim=16, is_causal=True)
    by_run = replace(at_once, batch=32, runs=12, against=f"train-{T}")
    return {f"train-{T}": at_once, f"train-{T}-vmap": by_run}


def _memory(T: int) -> dict[str, Case]:
    """For the slope of temporaries over T."""
    return {f"memory-{T}": Case(T, is_causal=True, timed=False)}


CASES: dict[str, Case] = {
    "tiny": Case(32, heads=2, kv_heads=2, head_dim=8, is_causal=True),
    **_kinds(2048),
    **_kinds(4096),
    "full-8192": Case(8192),
    "window-8192": Case(8192, window=256, against="full-8192"),
    "prime-bias-4099": Case(4099, bias=True, against="bias-4096"),
    **_training(18),
    **_training(40),
    **_training(64),
    **_training(128),
    **_memory(1024),
    **_memory(2048),
    **_memory(4096),
    **_memory(8192),
    **_memory(16384),
    **_memory(32768),
}


def families(names: list[str]) -> list[list[str]]:
    """The names in groups that are measured interleaved: a case stands with the one it is compared with.

    `against` may lead on (prime-bias-4099 to bias-4096 to full-4096); the group is that of the last.
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        root = name
        while (above := CASES[root].against) is not None:
            root = above
        groups.setdefault(root, []).append(name)
    return list(groups.values())
