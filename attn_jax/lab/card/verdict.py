"""A card's verdict in words: what a mixer can and cannot do here, what was published of that, what to try next."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from attn_jax.lab.card.contract import NATURES
from attn_jax.lab.card.standing import RIVALS
from attn_jax.lab.outcome.words import decimal, listing

SOLVED = 0.9  # a score from which on a task is called done
_VANISHING = -0.05  # log10 a step: over 128 steps less than a millionth is left
_NAMES = {"attention": "attention", "lstm": "an LSTM", "gru": "a GRU"}


class Separation(NamedTuple):
    """What was published of one kind of mixer against another: on these tasks the first falls short of the second."""

    kind: str  # of the mixers that it speaks of, "state of one size" or "depth that does not grow"
    rival: str
    tasks: tuple[str, ...]
    sentence: str
    source: str


SEPARATIONS = (
    Separation(
        "one size",
        "attention",
        ("associative_recall", "suffix_lookup"),
        "a state of one size falls short of attention at recall",
        "Arora et al. 2023, arXiv 2312.04927",
    ),
    Separation(
        "one size",
        "attention",
        ("copy_memory", "selective_copy"),
        "a state of one size falls short of attention at copying",
        "Jelassi et al. 2024, arXiv 2402.01032",
    ),
    Separation(
        "shallow",
        "lstm",
        ("running_parity", "s3_words"),
        "what reads all places in a depth that grows slower than their number tracks states worse than an LSTM",
        "Merrill et al. 2024, arXiv 2404.08819",
    ),
)


def verdict_of(card: Mapping[str, Any]) -> list[str]:
    """Sentences, the first of which says most.

    Args:
      card: as card.json has it, without the verdict.
    """
    broken = [row for row in card["contract"] if not row["holds"]]
    sentences = []
    if card["nature"] not in (None, "mixes"):
        sentences.append(f"{card['name']}: {NATURES[card['nature']]}.")
    if broken:
        points = listing([row["point"] for row in broken])
        sentences.append(f"It breaks its contract ({points}), and was not trained: what it scored would mean nothing.")
    if not card["tasks"]:
        return sentences + next_of(card)
    if not card["tests"]:
        scores = [f"{plain(task)} {decimal(one['score']['value'])}" for task, one in card["tasks"].items()]
        what = "those of attention, LSTM and GRU" if card["nearest"] else "baselines"
        sentences.append(f"Without {what} nothing is tested. It scores {listing(scores)}.")
    for rival in RIVALS:
        sentences += _against(rival, card["tests"])
    return [*sentences, *_nearest(card["nearest"]), *published_of(card), *next_of(card)]


def _nearest(distances: Mapping[str, float]) -> Iterator[str]:
    """The mixer whose scores lie nearest, or all that lie as near, at no distance from one another that is told."""
    names = [name for name, distance in distances.items() if distance == min(distances.values())]
    if names:
        yield f"Nearest: {listing(names)}, whose eight scores lie {decimal(distances[names[0]])} from its own."


def _against(rival: str, tests: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What is decided against one, and what is not."""
    rows = {row["task"]: row for row in tests if row["rival"] == rival}
    can, cannot = ([row for row in rows.values() if row["outcome"] == outcome] for outcome in ("more", "less"))
    done = [row for row in can if row["mean"] >= SOLVED > row["other"]]
    lost = [row for row in cannot if row["other"] >= SOLVED > row["mean"]]
    name = _NAMES[rival]
    said = {
        f"It can do what {name} cannot at this size": done,
        f"It does better than {name}": [row for row in can if row not in done],
        f"It cannot do what {name} can": lost,
        f"It does worse than {name}": [row for row in cannot if row not in lost],
    }
    yield from (f"{words}: {_told(found)}." for words, found in said.items() if found)
    open_ = [row for row in rows.values() if row["outcome"] == "undecided"]
    if open_:
        yield f"Against {name} undecided: {listing([_open(row) for row in open_])}."


def _told(rows: Sequence[Mapping[str, Any]]) -> str:
    return listing([f"{plain(row['task'])} ({_pair(row)}, p {decimal(row['p'], 3)})" for row in rows])


def _pair(row: Mapping[str, Any]) -> str:
    return f"{decimal(row['mean'])} against {decimal(row['other'])}"


def _open(row: Mapping[str, Any]) -> str:
    more = row["seeds_to_decide"]
    needed = f", about {more} seeds would decide" if more else ""
    return f"{plain(row['task'])} ({_pair(row)}{needed})"


def published_of(card: Mapping[str, Any]) -> list[str]:
    """Which published separation the outcome agrees or disagrees with."""
    kinds = kinds_of(card["counts"])
    return [sentence for one in SEPARATIONS if one.kind in kinds for sentence in _agreement(one, card["tests"])]


def kinds_of(counts: Mapping[str, Any] | None) -> set[str]:
    """What a mixer is, of what separations speak of.

    >>> kinds_of({"state_bytes": {"128": 256, "2048": 256}, "depth": "linear"})
    {'one size'}
    """
    if counts is None:
        return set()
    sizes = {*counts["state_bytes"].values()}
    one_size = len(sizes) == 1 and None not in sizes
    return ({"one size"} if one_size else set()) | ({"shallow"} if counts["depth"] in ("constant", "log T") else set())


def _agreement(one: Separation, tests: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    rows = [row for row in tests if row["rival"] == one.rival and row["task"] in one.tasks]
    said = {"less": "agrees", "more": "disagrees", "undecided": "does not decide"}
    groups = {word: [plain(row["task"]) for row in rows if said[row["outcome"]] == word] for word in said.values()}
    told = [f"{listing(names)} {word if len(names) == 1 else _plural(word)}" for word, names in groups.items() if names]
    if told:
        yield f"Published is that {one.sentence} ({one.source}): {'; '.join(told)}."


def _plural(word: str) -> str:
    return {"agrees": "agree", "disagrees": "disagree", "does not decide": "do not decide"}[word]


def next_of(card: Mapping[str, Any]) -> list[str]:
    """What to try next: at most three things, those that stand in the way of all else first."""
    return [f"Next: {said}." for said in [*_next(card)][:3]]


def _next(card: Mapping[str, Any]) -> Iterator[str]:
    broken = [row for row in card["contract"] if not row["holds"]]
    if broken:
        yield f"{broken[0]['fix']} ({broken[0]['said'] or broken[0]['promise']})"
        return
    if card["nature"] == "copies its input" or card["nature"] == "mixes no places":
        yield "let y at a place depend on earlier x: as it is, the layers around it do all the work"
        return
    flow, kinds = card["flow"], kinds_of(card["counts"])
    if flow and flow["sees_first"] is None:
        yield "begin nearer to keeping: over 128 places its gradient at the start is more than float32 can hold"
    elif flow and not flow["sees_first"]:
        yield "see further: of the first of 128 places nothing arrives at the last one that float32 does not round away"
    elif flow and flow["slope"] is not None and flow["slope"] < _VANISHING:
        yield f"begin nearer to keeping: the gradient loses {-flow['slope']:.2g} powers of ten a step back at the start"
    lost = {row["task"] for row in card["tests"] if row["outcome"] == "less"}
    if "shallow" in kinds and lost & {"running_parity", "s3_words"}:
        yield "transitions with eigenvalues below 0, or products of several (mamba_signed, delta_product)"
    if "one size" in kinds and lost & {"associative_recall", "suffix_lookup", "copy_memory"}:
        yield "a larger state, a matrix written by keys (delta_net, mlstm), or a layer of attention beside it"
    edges = [plain(task) for task, one in card["tasks"].items() if one["edge"] and one["score"]["value"] < SOLVED]
    if edges:
        yield f"other learning rates for {listing(edges)}, where every seed's best is at the edge of the grid"
    wanted = [row["seeds_to_decide"] for row in card["tests"] if row["seeds_to_decide"]]
    if wanted:
        yield f"more seeds: about {max(wanted)} would decide what may be decided"


def plain(task: str) -> str:
    """A task's name in words.

    >>> plain("s3_words")
    'S3 words'
    """
    return task.replace("_", " ").replace("s3", "S3")
