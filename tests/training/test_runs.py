"""Many runs in one program: paired data, one diverging alone, checkpoints, evaluation by length."""

from dataclasses import replace
from functools import cache, partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tiers import first

from attn_jax.errors import MachineError
from attn_jax.mixers import GRU, Attention
from attn_jax.models import ModelConfig, classic
from attn_jax.tasks import Parity
from attn_jax.training.block_plan import BlockPlan
from attn_jax.training.checkpoint import Checkpoints
from attn_jax.training.evaluate import evaluate, spread_lengths
from attn_jax.training.objective import answers
from attn_jax.training.optim import learning_rate_schedule, make_optimizer
from attn_jax.training.runs import advance_runs, final_scores, init_runs, train_runs
from attn_jax.training.step import train_batch

TASK = Parity().make()
TRANSFORMER = ModelConfig(8, 1, (Attention(num_heads=2),), positions="sinusoidal")
SHORT = {"transformer": TRANSFORMER, "gru": classic(GRU(), d_model=8)}  # models that take short steps


@cache
def make_plan(config=TRANSFORMER, lengths=(2, 3, 4)):
    model = config.make(TASK.spec.io, TASK.spec.num_tokens(6))
    schedule = learning_rate_schedule("constant", warmup_steps=3, steps=40)
    optimizer = make_optimizer(schedule, weight_decay=0.01, clip=1.0, spared=model.spared)
    return BlockPlan(
        objective=answers(model, TASK),
        optimizer=optimizer,
        train_batch_size=4,
        train_lengths=lengths,
        every=5,
        eval_batch_size=4,
        validation_lengths=(2, 4),
        test_lengths=(2, 4, 6),
    )


@cache
def programs(plan):
    """To begin and to advance; each is traced once, however often it is called for."""
    return jax.jit(partial(init_runs, plan)), jax.jit(partial(advance_runs, plan))


def train(plan, seeds, rates, chunks=2):
    begin, advance = programs(plan)
    state = begin(jnp.array(seeds, jnp.int32), jnp.array(rates, jnp.float32))
    history = []
    for chunk in range(chunks):
        state, *seen = advance(state, jnp.int32(5 * chunk))
        history.append(seen)
    return state, history


def test_data_depends_on_seed_and_step_and_not_on_the_model():
    one, other = make_plan(), make_plan(classic(GRU(), d_model=8))
    chex.assert_trees_all_equal(train_batch(one, 3, 7), train_batch(other, 3, 7))
    assert not np.array_equal(train_batch(one, 3, 7).inputs, train_batch(one, 3, 8).inputs)
    assert not np.array_equal(train_batch(one, 3, 7).inputs, train_batch(one, 4, 7).inputs)


def test_training_draws_every_allowed_length():
    plan = make_plan()
    drawn = {int(batch.valid.sum(1)[0]) - 1 for batch in (train_batch(plan, 0, step) for step in range(30))}
    assert drawn == {2, 3, 4}


@pytest.mark.exhaustive
@pytest.mark.programs(80)
def test_runs_of_one_seed_start_alike_and_rates_part_them():
    state, _ = train(make_plan(), [0, 0, 1], [1e-3, 1e-2, 1e-3], chunks=0)
    first, second, third = (jax.tree.map(lambda leaf, r=r: leaf[r], jax.device_get(state.params)) for r in range(3))
    chex.assert_trees_all_equal(first, second)
    state, _ = train(make_plan(), [0, 0, 1], [1e-3, 1e-2, 1e-3], chunks=1)
    gap = jax.tree.map(lambda leaf: np.abs(leaf[0] - leaf[1]).max(), jax.device_get(state.params))
    assert max(jax.tree.leaves(gap)) > 1e-3
    assert not np.array_equal(jax.tree.leaves(first)[0], jax.tree.leaves(third)[0])


@pytest.mark.exhaustive
@pytest.mark.programs(80)
def test_runs_in_groups_are_those_trained_at_once():
    plan, runs = make_plan(lengths=(3,)), ([0, 0, 1, 1], [1e-3, 1e-2, 1e-3, 1e-2])
    state, history = train(plan, *runs)
    for group in (1, 2, 4):
        apart, seen = train(replace(plan, group=group), *runs)
        close = partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)
        jax.tree.map(close, jax.device_get((apart.params, seen)), jax.device_get((state.params, history)))


def test_a_group_goes_through_all_steps_before_the_next_one_does():
    """The loop over groups is around that over steps: what a group keeps stays in the cache."""
    plan = replace(make_plan(), group=2)
    state = jax.eval_shape(partial(init_runs, plan), jnp.zeros(6, jnp.int32), jnp.zeros(6))
    program = jax.make_jaxpr(partial(train_runs, plan))(state, jnp.int32(0))
    (groups,) = [eqn for eqn in program.eqns if eqn.primitive.name == "scan"]
    steps = [eqn.params["length"] for eqn in groups.params["jaxpr"].eqns if eqn.primitive.name == "scan"]
    assert (groups.params["length"], steps) == (3, [plan.every])


def test_one_diverging_run_is_frozen_and_the_others_keep_their_bits():
    plan = make_plan()
    calm, _ = train(plan, [0, 1, 2], [1e-3, 1e-3, 1e-3])
    mixed, history = train(plan, [0, 1, 2], [1e-3, 1e30, 1e-3])
    assert mixed.diverged.tolist() == [False, True, False]
    for run in (0, 2):
        chex.assert_trees_all_equal(
            jax.tree.map(lambda leaf, r=run: leaf[r], calm), jax.tree.map(lambda leaf, r=run: leaf[r], mixed)
        )
    chex.assert_tree_all_finite(jax.tree.map(lambda leaf: leaf[1], mixed.params))
    assert np.isnan(history[-1][0][1])


@pytest.mark.exhaustive
def test_a_loss_ten_times_its_start_ends_a_run():
    plan = make_plan()
    uphill = optax.chain(optax.scale(-1.0))  # the caller subtracts: this climbs
    state, _ = train(replace(plan, optimizer=uphill), [0], [30.0], chunks=4)
    assert state.diverged.tolist() == [True]


def test_a_model_learns():
    """Length 2 is an exclusive or: a few hundred steps of the smallest GRU are enough."""
    plan = replace(make_plan(classic(GRU(), d_model=8, num_layers=1), lengths=(2,)), validation_lengths=(2, 2))
    _, history = train(plan, [0, 1], [2e-2, 2e-2], chunks=40)
    first, last = history[0][1], history[-1][1]
    assert (last["metric"].mean == 1).all()
    assert (last["loss"].mean < 0.2 * first["loss"].mean).all()


def test_evaluation_is_the_same_every_time_and_fresh():
    plan = make_plan()
    params = jax.jit(plan.objective.init)(jax.random.key(0))
    score = jax.jit(partial(evaluate, plan.objective, lengths=(2, 4, 6), split="validation", batch_size=4))
    chex.assert_trees_all_equal(score(params, 0), score(params, 0))
    assert not np.array_equal(score(params, 0)["loss"].total, score(params, 1)["loss"].total)
    test = jax.jit(partial(evaluate, plan.objective, lengths=(2, 4, 6), split="test", batch_size=4))(params, 0)
    assert not np.array_equal(score(params, 0)["loss"].total, test["loss"].total)
    assert score(params, 0)["metric"].number.tolist() == [4, 4, 4]


@pytest.mark.exhaustive
@pytest.mark.programs(70)
def test_evaluation_by_length_equals_each_length_alone():
    config = classic(GRU(), d_model=8)
    plan = make_plan(config)
    params = jax.jit(plan.objective.init)(jax.random.key(0))
    together = evaluate(plan.objective, params, jnp.int32(0), (3, 6), split="test", batch_size=4)
    key = jax.random.fold_in(jax.random.clone(key_of("test", 0)), 0)
    batch = TASK.sample(key, 4, 3, 6, split="test")
    logits = jax.jit(config.make(TASK.spec.io, TASK.spec.num_tokens(6)).apply)(params, batch.inputs[:, :4], None)
    right = (logits.argmax(-1) == batch.targets[:, :4]) & batch.scored[:, :4]
    assert float(together["metric"].total[0]) == float(right.sum())


def key_of(stream, seed):
    from attn_jax.training.streams import stream_key

    return stream_key(stream, seed)


@pytest.mark.parametrize(
    ("allowed", "batches", "want"),
    [((5,), 3, (5, 5, 5)), ((2, 3, 4), 1, (4,)), ((2, 3, 4, 5), 2, (2, 5)), (tuple(range(2, 21)), 4, (2, 8, 14, 20))],
)
def test_lengths_are_spread_evenly(allowed, batches, want):
    assert spread_lengths(allowed, batches) == want


def test_a_checkpoint_goes_on_bit_for_bit(tmp_path):
    plan = make_plan()
    through, _ = train(plan, [0, 1, 2], [1e-3, 1e-2, 1e-3], chunks=2)
    half, _ = train(plan, [0, 1, 2], [1e-3, 1e-2, 1e-3], chunks=1)
    saved = Checkpoints(tmp_path)
    saved.save(5, half)
    fresh, _ = train(plan, [0, 1, 2], [1e-3, 1e-2, 1e-3], chunks=0)
    step, state = Checkpoints(tmp_path).restore(fresh)
    state, *_ = programs(plan)[1](state, jnp.int32(step))
    chex.assert_trees_all_equal(state, through)


def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_it_is_used(tmp_path, capsys):
    state = {"x": jnp.arange(3.0)}
    saved = Checkpoints(tmp_path)
    saved.save(1, state)
    saved.save(2, {"x": state["x"] + 1})
    (tmp_path / "2.npz").write_bytes(b"")
    step, restored = Checkpoints(tmp_path).restore(state)
    assert step == 1
    chex.assert_trees_all_equal(restored, state)
    assert (tmp_path / "unreadable-2.npz").is_file()
    assert "set aside" in capsys.readouterr().out


def test_nothing_readable_is_an_error_and_nothing_saved_is_none(tmp_path):
    assert Checkpoints(tmp_path / "new").restore({"x": jnp.zeros(1)}) is None
    Checkpoints(tmp_path).save(1, {"x": jnp.zeros(1)})
    (tmp_path / "1.npz").write_bytes(b"")
    for _ in range(2):  # the second try must not start from zero either
        with pytest.raises(MachineError, match="no checkpoint can be read"):
            Checkpoints(tmp_path).restore({"x": jnp.zeros(1)})


@pytest.mark.exhaustive
def test_scores_at_the_end_are_by_length():
    plan = make_plan()
    state, _ = train(plan, [0, 1], [1e-3, 1e-3], chunks=1)
    tallies = jax.jit(partial(final_scores, plan))(state)
    assert tallies["metric"].total.shape == (2, 3)


def short_plan(config, **changes):
    """Lengths 2, 3 and 6, of which the first two have no more than four places."""
    return replace(make_plan(config, lengths=(2, 3, 6)), group=1, **{"short": 4} | changes)


@pytest.mark.programs(24)
@pytest.mark.parametrize("name", first(SHORT, "gru"))
def test_short_steps_are_those_of_the_whole_batch(name):
    """Of five steps of three runs some are short, and some are not."""
    plan, seeds = short_plan(SHORT[name]), jnp.arange(3)
    start = jax.jit(partial(init_runs, plan))(seeds, jnp.full(3, 1e-2))
    states = [
        jax.jit(partial(train_runs, replace(plan, short=short)))(start, jnp.int32(0)) for short in (None, plan.short)
    ]
    chex.assert_trees_all_close(*states, rtol=2e-4, atol=2e-5)
    draw = jax.jit(jax.vmap(lambda seed: jax.vmap(lambda step: train_batch(plan, seed, step).valid)(jnp.arange(5))))
    places = np.asarray(draw(seeds)).sum(-1)
    assert (places <= 4).any() and (places > 4).any()


def test_a_short_step_computes_no_more_than_its_places():
    """One of two programs a step; and neither where several runs go at a time."""
    plan = short_plan(classic(GRU(), d_model=8))
    start = jax.eval_shape(partial(init_runs, plan), jnp.arange(2), jnp.full(2, 1e-2))

    def program(plan):
        return str(jax.make_jaxpr(partial(train_runs, plan))(start, jnp.int32(0)))

    assert "cond[" in program(plan) and "length=4" in program(plan)
    for other in (replace(plan, short=None), replace(plan, group=2)):
        assert "cond[" not in program(other) and "length=4" not in program(other)
