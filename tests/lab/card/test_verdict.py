"""The verdict of a card in words, on invented ones."""

from invented_card import BROKEN, FLOW, baselines, card, counts, standing_like, tasks_like

from attn_jax.lab.card.standing import held_against
from attn_jax.lab.card.verdict import verdict_of


def told(tasks, **changes):
    return " ".join(verdict_of(card(tasks, **changes)))


def test_a_renamed_gru_has_the_grus_verdict():
    said = told(tasks_like("gru"), **standing_like("gru"))
    assert "It can do what attention cannot at this size: induction heads (.98 against .40, p .0" in said
    assert "It cannot do what attention can: associative recall" in said
    assert "Against a GRU undecided: " in said
    assert "than a GRU" not in said
    assert "Nearest: gru, whose eight scores lie .0" in said
    assert "a state of one size falls short of attention at recall (Arora et al. 2023, arXiv 2312.04927): " in said
    assert "associative recall and suffix lookup agree" in said
    assert "Merrill" not in said  # it goes step by step, and nobody said anything of it
    assert "Next: a larger state" in said


def test_what_disagrees_with_what_was_published_is_said():
    asked = ("associative_recall", "suffix_lookup", "running_parity", "s3_words")
    tasks = {task: tasks_like("gru", associative_recall=1.0, running_parity=0.5)[task] for task in asked}
    said = told(tasks, tests=held_against(tasks, baselines()), counts=counts(depth="log T"))
    assert "suffix lookup agrees" in said
    assert "grows slower than their number tracks states worse than an LSTM (Merrill" in said
    assert "running parity agrees; S3 words " in said


def test_whatever_is_decided_is_told_once():
    """Better without solving it, too, beside what one solves and the other does not."""
    means = {
        "running_parity": (1.0, 0.3),
        "s3_words": (0.8, 0.6),
        "copy_memory": (0.2, 1.0),
        "suffix_lookup": (0.5, 0.7),
    }
    tests = [
        {"task": task, "rival": "lstm", "mean": mean, "other": other, "p": 0.01}
        | {"outcome": "more" if mean > other else "less", "seeds_to_decide": None}
        for task, (mean, other) in means.items()
    ]
    said = told(tasks_like("gru"), tests=tests, **{"ranks": {}, "nearest": {}})
    for words, task in (
        ("It can do what an LSTM cannot at this size: ", "running parity"),
        ("It does better than an LSTM: ", "S3 words"),
        ("It cannot do what an LSTM can: ", "copy memory"),
        ("It does worse than an LSTM: ", "suffix lookup"),
    ):
        assert f"{words}{task} (" in said


def test_what_leaks_is_named_and_not_trained():
    said = verdict_of(card(contract=[BROKEN], nature="leaks the future"))
    assert said[0].startswith("Mine: it leaks the future")
    assert said[1].startswith("It breaks its contract (sight), and was not trained")
    assert said[2] == "Next: mask what comes after (not causal: y depends on a later x)."


def test_what_copies_or_ignores_its_input_is_named():
    assert "it copies its input" in told(tasks_like("gru"), nature="copies its input")
    assert "it ignores its input" in verdict_of(card(contract=[BROKEN], nature="ignores its input"))[0]


def test_without_baselines_scores_stand_alone():
    said = verdict_of(card(tasks_like("gru")))
    assert said[0].startswith("Without baselines nothing is tested. It scores associative recall .4")


def test_without_the_three_the_nearest_is_told():
    said = verdict_of(card(tasks_like("gru"), nearest={"lru": 0.3}))
    assert said[0].startswith("Without those of attention, LSTM and GRU nothing is tested. It scores")
    assert said[1].startswith("Nearest: lru, whose eight scores lie .30")


def test_all_that_are_nearest_are_told():
    said = told(tasks_like("gru"), **standing_like("gru") | {"nearest": {"gru": 0.02, "twin": 0.02, "lru": 0.3}})
    assert "Nearest: gru and twin, whose eight scores lie .02 from its own." in said


def test_other_rates_are_no_advice_where_all_is_done():
    tasks = tasks_like("gru")
    for one in tasks.values():
        one["edge"] = ["largest"]
    rates = next(line for line in verdict_of(card(tasks)) if "learning rates" in line)
    assert "copy memory" in rates
    assert "running parity" not in rates


def test_what_is_not_seen_at_the_start_is_the_first_thing_to_try():
    said = verdict_of(card(tasks_like("lru"), flow=FLOW | {"sees_first": False}))
    assert said[-1].startswith("Next: see further")
    assert "begin nearer to keeping" in verdict_of(card(tasks_like("lru"), flow=FLOW | {"slope": -0.2}))[-1]
    assert "more than float32 can hold" in verdict_of(card(tasks_like("lru"), flow=FLOW | {"sees_first": None}))[-1]
