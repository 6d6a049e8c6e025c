"""Trained models from a study's folder: each seed's own, of classes of the package and of the user's, or a sentence."""

import shutil
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from own_files import CONFIG, FILES, write
from tiny_study import get_config

from attn_jax.config.file import load_study
from attn_jax.errors import ConfigError, MachineError
from attn_jax.lab import load
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.record.directory import write_json
from attn_jax.lab.run.block import run_block
from attn_jax.lab.run.session import Layout, jobs_of, opened
from attn_jax.training.streams import stream_key

OWN = (
    CONFIG.replace('"mine": Mine(), "other": Other(), "gru": GRU()', '"mine": Mine(rate=0.25), "gru": GRU()')
    .replace("seeds=1, learning_rates=(1e-3,)", "seeds=3, learning_rates=(1e-3, 3e-3)")
    .replace("(2, 3)))", "(2, 3, 5)))")
)


def train(directory, study, layout):
    plan = StudyPlan(study)
    with opened(directory, plan, layout):
        write_json(directory / "environment.json", {"versions": {}})
        for job in jobs_of(plan, directory, layout, list(study.models)):
            assert run_block(job, lambda: False)
    return plan


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A study with a mixer of the user's: six runs of a model in two blocks of four, the last of which is padded."""
    folder = tmp_path_factory.mktemp("own")
    config = write(folder, {"config.py": OWN})
    plan = train(folder / "study", load_study(config), Layout(4, 2, "cpu", 1))
    return folder / "study", config, plan


def scores(plan, name, model):
    """A function of params and a seed to the accuracy on each test batch, from `apply` and from `extend` alone."""
    block = plan.block_plan(name)
    longest, count = max(block.test_lengths), len(block.validation_lengths)

    def on_batch(params, key, length):
        batch = plan.task.sample(key, block.eval_batch_size, length, longest, split="test")
        whole = model.apply(params, batch.inputs, batch.valid)
        state = model.init_state(params, *batch.inputs.shape)
        pieces, _ = model.extend(params, batch.inputs, state, batch.valid)
        right = [(jnp.argmax(logits, -1) == batch.targets) & batch.scored for logits in (whole, pieces)]
        return jnp.array([r.sum() for r in right]) / batch.scored.sum()

    def of_run(params, seed):
        keys = [jax.random.fold_in(stream_key("test", seed), i) for i in range(count)]
        return jnp.stack([on_batch(params, *item) for item in zip(keys, block.validation_lengths, strict=True)])

    return jax.jit(of_run)


def check_scores(results, plan, name, runs):
    score = None
    for seed, rate in runs:
        model, params = results.model(name, seed=seed, learning_rate=rate)
        score = score or scores(plan, name, model)
        row = next(
            row
            for row in results.runs()
            if (row["model"], row["seed"]) == (name, seed)
            and (row["chosen"] if rate is None else row["learning_rate"] == rate)
        )
        np.testing.assert_allclose(np.asarray(score(params, seed)).mean(0), row["metric"], rtol=1e-6)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["gru", "mine"])
def test_a_trained_model_scores_what_the_study_says(name, own):
    directory, config, plan = own
    runs = [(0, None), (0, 3e-3), (1, 3e-3), (2, 1e-3), (2, 3e-3)]  # the last two are of the padded block
    check_scores(load(directory, config=config), plan, name, runs)


@pytest.mark.exhaustive
@pytest.mark.programs(40)
def test_of_the_tiny_study_too(tmp_path):
    study = get_config()
    study = replace(study, evaluate=replace(study.evaluate, every=50))
    plan = train(tmp_path, study, Layout(3, 2, "cpu", 1))
    for name in plan.study.models:
        check_scores(load(tmp_path), plan, name, [(0, None), (1, None), (1, 3e-3)])


def test_only_the_classes_of_a_config_count(own, tmp_path):
    directory, _, plan = own
    other = write(tmp_path, {"config.py": OWN.replace("seeds=3", "seeds=4").replace("30, 4", "60, 4")})
    before = sorted(directory.rglob("*"))
    for config in (other, plan.study):
        model, _ = load(directory, config=config).model("mine", seed=1)
        assert callable(model.inspect)
    assert sorted(directory.rglob("*")) == before  # nothing is written


@pytest.mark.parametrize(
    ("name", "run", "said"),
    [
        ("lstm", {"seed": 0}, "name: got 'lstm', wanted one of mine, gru"),
        ("gru", {"seed": 3}, "seed: got 3, wanted one of 0, 1, 2"),
        ("gru", {"seed": -1}, "seed: got -1, wanted one of 0, 1, 2"),
        ("gru", {"seed": 0, "learning_rate": 0.1}, "learning_rate: got 0.1, wanted one of 0.001, 0.003"),
    ],
)
def test_a_run_that_is_not_there(name, run, said, own):
    directory, config, _ = own
    with pytest.raises(ConfigError, match=f"^{said}"):
        load(directory, config=config).model(name, **run)


def test_a_class_of_ones_own_is_not_imported_unless_it_is_given(own, tmp_path):
    directory, _, _ = own
    with pytest.raises(ConfigError, match=r"study.json: models.mine.mixer.*: Mine is not the package's own; give"):
        load(directory).model("gru", seed=0)
    changed = write(tmp_path, {"config.py": OWN, "helper.py": FILES["helper.py"].replace("1.0", "2.0")})
    results = load(directory, config=changed)
    with pytest.raises(ConfigError, match=r"models.mine: its source changed since it was trained \(helper.py\)"):
        results.model("mine", seed=0)
    with pytest.raises(ConfigError, match=r"nowhere\.py: no such config file"):
        load(directory, config="nowhere.py").model("mine", seed=0)


def test_a_checkpoint_that_is_gone_or_damaged_is_a_sentence(own, tmp_path):
    directory, config, _ = own
    directory = shutil.copytree(directory, tmp_path / "study")
    last = directory / "blocks" / "gru-1" / "checkpoints" / "30.npz"
    results = load(directory, config=config)
    last.write_bytes(last.read_bytes()[::-1])
    with pytest.raises(MachineError, match=r"gru-1/checkpoints/30\.npz: the checkpoint is damaged; delete .*gru-1 and"):
        results.model("gru", seed=2)
    last.unlink()
    with pytest.raises(MachineError, match=r"gru-1/checkpoints/30\.npz: the checkpoint is gone; delete .*gru-1 and"):
        results.model("gru", seed=2)
    assert results.model("gru", seed=0)  # of the other block
