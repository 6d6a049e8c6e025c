"""A card and baselines whose scores are made up."""

from functools import cache

import numpy as np

from attn_jax.lab.card.standing import distances, held_against, ranks_of

TASKS = (
    *("associative_recall", "selective_copy", "induction_heads", "copy_memory"),
    *("running_parity", "s3_words", "prefix_lookup", "suffix_lookup"),
)
MEANS = {  # what a task gives each, in the order of TASKS
    "attention": (0.98, 0.9, 0.4, 0.97, 0.3, 0.1, 0.5, 0.95),
    "lstm": (0.3, 0.6, 0.97, 0.3, 0.98, 0.96, 0.95, 0.3),
    "gru": (0.4, 0.7, 0.98, 0.4, 0.99, 0.98, 0.97, 0.4),
    "lru": (0.2, 0.8, 0.6, 0.5, 0.35, 0.2, 0.6, 0.2),
}


def drawn(mean, seeds, seed):
    """Scores around a mean."""
    return np.clip(mean + 0.01 * np.random.default_rng(seed).normal(size=seeds), -0.2, 1).round(6).tolist()


def runs_of(scores):
    """Runs at one rate, which is then that of every seed."""
    told = {"final": scores, "solved_at": [None] * len(scores), "loss": [round(1 - score, 6) for score in scores]}
    return {key: [[value] for value in values] for key, values in told.items()}


def measured(mean, seeds, seed, task):
    """Of a task, what baselines and cards have."""
    scores = drawn(mean, seeds, seed)
    return {"fingerprint": task, "scores": scores, "limits": [-0.2, 1.0], "every_run": runs_of(scores)}


def baselines():
    """16 seeds of three, 4 of another."""
    return {
        name: {
            "seeds": 4 if name == "lru" else 16,
            "tasks": {
                task: measured(mean, 4 if name == "lru" else 16, [k, i], task) | {"lengths": {}}
                for k, (task, mean) in enumerate(zip(TASKS, means, strict=True))
            },
            **{"date": "2026-11-30", "jaxlib": "0.10.2", "device": "x86_64", "attn_jax": "0", "machine": "Linux"},
        }
        for i, (name, means) in enumerate(MEANS.items())
    }


def tasks_like(name, *, seed=9, **means):
    """What a card holds of its tasks, scoring as a baseline does but for some means."""
    found = {}
    for k, (task, mean) in enumerate(zip(TASKS, MEANS[name], strict=True)):
        one = measured(means.get(task, mean), 4, [k, seed], task)
        scores, value = one["scores"], float(np.mean(one["scores"]))
        interval = {"value": value, "low": value - 0.02, "high": min(value + 0.02, 1.0), "method": "Student t"}
        found[task] = {
            **one,
            **{"asks": "something", "steps": 300, "train_lengths": [2, 20], "length_unit": "bits"},
            **{"score": interval, "metric": "accuracy"},
            **{"lengths": {"10": scores, "20": scores}, "by_length": {"10": interval, "20": interval}},
            **{"floor": {"name": "most_frequent", "value": 0.25}, "rates": [0.002] * 4, "edge": []},
            **{"diverged": 0, "runs": 12},
        }
    return found


@cache
def standing_like(name):
    """Where a card stands whose scores are like a baseline's: 24 exact tests take a second."""
    tasks, others = tasks_like(name), baselines()
    tested = held_against(tasks, others)
    return {"tests": tested, "ranks": ranks_of(tasks, others), "nearest": distances(tasks, others)}


def counts(state=(256, 256, 256), depth="linear"):
    """What is counted."""
    lengths = ("128", "512", "2048")
    return {
        "parameters": 24960,
        "state_bytes": dict(zip(lengths, state, strict=True)),
        "flops_per_token": dict.fromkeys(lengths, 50240.0),
        "steps": dict.fromkeys(lengths, 1152),
        "depth": depth,
    }


FLOW = {"slope": -0.01, "reach": {"1": -3.0, "128": 0.0}, "sees_first": True, "kept": 3.2}
MEASURED = {
    **{"train_compile_s": 1.0, "train_us": 9.0, "train_mb": 2.5, "apply_compile_s": 0.5, "apply_us": 3.0},
    **{"apply_mb": 0.5, "extend_compile_s": 0.5, "extend_us": 4.0, "extend_mb": 0.1},
}
HOLDS = {"point": "sight", "promise": "y depends on no later x", "holds": True, "said": "", "fix": ""}
BROKEN = {**HOLDS, "holds": False, "said": "not causal: y depends on a later x", "fix": "mask what comes after"}


def card(tasks=None, **changes):
    """A card as card.json has it."""
    rivals = ("attention", "lstm", "gru")
    facts = {
        **{"schema": 1, "name": "Mine", "config": {"class": "Mine"}, "sources": {}, "contract": [HOLDS]},
        **{"nature": "mixes", "ordered": True, "counts": counts(), "flow": FLOW, "model": {"config": {}, "note": None}},
        "beside": {"counts": dict.fromkeys(rivals, counts()), "flow": dict.fromkeys(rivals, FLOW)},
        **{"tasks": {} if tasks is None else tasks, "tests": [], "ranks": {}, "nearest": {}, "baselines": {}},
        **{"notes": [], "verdict": ["It is so."]},
        "versions": {"attn_jax": "0", "numbers": 1, "jaxlib": "0.10.2", "device": "x86_64"},
        "timing": {
            "measured": dict.fromkeys(("Mine", *rivals), MEASURED),
            **{"seconds": 300.0, "date": "2026-11-30", "environment": {"machine": "Linux, 2 cores"}},
        },
    }
    return facts | changes
