"""Studies that are alike to a worker: what one has traced and compiled serves the other."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from attn_jax.config import Study
from attn_jax.config.codec import fingerprint, to_dict
from attn_jax.lab.plan.sources import hashed_sources
from attn_jax.lab.plan.study_plan import StudyPlan

_Item = TypeVar("_Item")


def alone(plan: StudyPlan, name: str) -> Study:
    """The study of one model alone, sized as it was matched: its worker need not size the others again."""
    starts = {
        start: {path: value for path, value in values.items() if _model_of(path, plan.study) in (name, None)}
        for start, values in plan.study.starts.items()
    }
    return replace(plan.study, models={name: plan.model(name)[0]}, match=None, reference=None, starts=starts)


def _model_of(path: str, study: Study) -> str | None:
    """The model whose field a path of a start leads to; names may have dots."""
    found = [name for name in study.models if path.startswith(f"models.{name}.")]
    return max(found, key=len, default=None)


def alike(study: str) -> str:
    """What of a study, JSON as `codec.to_json` writes it, decides its programs: all but name, seeds and rates.

    These are the data of a run: programs take them as arrays. So is the budget, unless the schedule ends with it.

    >>> alike('{"name": "a", "train": {"seeds": 1, "steps": 9, "schedule": "constant"}}')
    '{"name": null, "train": {"schedule": "constant"}}'
    """
    data = json.loads(study)
    data["name"] = None
    train = data["train"]
    free = {"first_seed", "seeds", "learning_rates", "widen"} | (
        {"steps"} if train["schedule"] == "constant" else set()
    )
    data["train"] = {key: value for key, value in train.items() if key not in free}
    return json.dumps(data, sort_keys=True)


def kind_of(study: str, sources: str, width: int) -> str:
    """What decides the programs of a model's blocks: its study alone, JSON, the code of the user's own, the width."""
    return json.dumps([alike(study), sources, width])


def in_turns(items: Sequence[_Item], kind: Callable[[_Item], str]) -> list[_Item]:
    """Of each kind the first, then of each the second: while one is compiled, no other worker compiles the same.

    >>> in_turns(["a1", "a2", "b1"], lambda item: item[0])
    ['a1', 'b1', 'a2']
    """
    seen: Counter[str] = Counter()
    turns = []
    for item in items:
        of = kind(item)
        turns.append(seen[of])
        seen[of] += 1
    return [item for _, item in sorted(zip(turns, items, strict=True), key=lambda pair: pair[0])]


def facts_of(study: Study, facts: dict[str, Any]) -> dict[str, Any]:
    """What `study_facts` would say of a study here, from the facts of one that is alike, from another process.

    Sources are looked for here, where the config was run: another process may have imported other modules.
    """
    sources = {name: hashed_sources(study, name) for name in study.models}
    own = {"fingerprint": fingerprint(study), "config": to_dict(study)}
    return facts | own | {"task_sources": hashed_sources(study, None), "sources": sources}


def named_as(study: Study, other: str) -> str:
    """JSON of one model of a study that is alike, as that of this study."""
    data = json.loads(other)
    data["name"] = study.name
    data["train"] = to_dict(study.train)
    return json.dumps(data)
