"""The study's directory: locks, torn lines, strangers, changed configs, and results read back as written."""

import gc
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from tiny_study import get_config
from written_study import layout_of, opened, tiny, write_study

from attn_jax.config.differences import differences
from attn_jax.errors import ConfigError, MachineError
from attn_jax.files import read_json
from attn_jax.lab import load
from attn_jax.lab.outcome import collect
from attn_jax.lab.outcome.collect import read_results
from attn_jax.lab.outcome.summary import summarize
from attn_jax.lab.plan.facts import study_facts
from attn_jax.lab.plan.limits import Demand
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.record.directory import append_row, block_directory, locked, read_rows, write_json
from attn_jax.lab.record.schema import read_study, row_complaint, rows_complaint
from attn_jax.lab.run.environment import record_environment
from attn_jax.lab.run.places.base import Place, Terms, WorkerDiedError
from attn_jax.lab.run.session import jobs_of, run_jobs


def test_rows_come_back_and_a_torn_line_does_not(tmp_path):
    path = tmp_path / "rows.jsonl"
    append_row(path, {"step": 1})
    with path.open("a") as file:
        file.write('{"step": 2, "lo')
    assert read_rows(path) == [{"step": 1}]
    for row in ({"start": 1}, {"step": 2}):
        append_row(path, row)
    assert read_rows(path) == [{"step": 1}, {"start": 1}, {"step": 2}]
    assert read_rows(tmp_path / "none") == []


def test_nan_is_never_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        append_row(tmp_path / "rows.jsonl", {"loss": float("nan")})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"loss": float("inf")})
    assert not (tmp_path / "x.json").exists()


def test_a_second_holder_is_named(tmp_path):
    with locked(tmp_path):
        code = "import pathlib, sys; from attn_jax.lab.record.directory import locked\n"
        code += "with locked(pathlib.Path(sys.argv[1])): pass"
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
        assert "is in use by process" in done.stderr
    with locked(tmp_path):
        pass


def open_study(directory, study, **changes):
    plan = StudyPlan(study)
    with opened(directory, plan, layout_of(plan, **changes)) as layout:
        return layout


def test_what_takes_long_is_asked_about_once_for_each_model(tmp_path, monkeypatch):
    """The small model first, which takes no time; then all of them, the other of which takes a month."""
    seconds = {"gru": 60.0, "transformer": 3e6}
    asked = lambda facts, layout, models: Demand(sum(seconds[name] for name in models), 1.0, 1.0)  # noqa: E731
    monkeypatch.setattr("attn_jax.lab.run.confirmed.demand", asked)
    plan = StudyPlan(get_config())
    facts = study_facts(plan)
    monkeypatch.setattr("attn_jax.lab.run.session.study_facts", lambda plan: facts)

    def go(models, *, yes=False):
        with opened(tmp_path, plan, layout_of(plan), models=models, confirmed=yes) as layout:
            return layout

    go(["gru"])
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"would take about 35 days, .*; give --yes"):
            go(["gru", "transformer"])
    go(["gru", "transformer"], yes=True)
    go(["gru", "transformer"])  # whether or not a worker has come to it
    (tmp_path / "confirmed.json").unlink()
    for k in range(len(read_study(tmp_path)["runs"]["transformer"])):  # of a study that is done nothing is asked
        folder = block_directory(tmp_path, "transformer", k)
        folder.mkdir(parents=True)
        append_row(folder / "metrics.jsonl", {"test": {}, "after": 200, "lengths": [2, 4, 6]})
    go(["gru", "transformer"])
    (tmp_path / "confirmed.json").write_text("[1]")
    with pytest.raises(ConfigError, match=r"confirmed.json: is damaged: it is no list of models"):
        go(["gru"])


def test_another_config_is_refused_with_the_difference(tmp_path):
    open_study(tmp_path / "s", get_config())
    before = (tmp_path / "s" / "study.json").read_bytes()
    with pytest.raises(ConfigError, match=r"belongs to another config of study 'tiny' \(train.steps: 200 -> 100\)"):
        open_study(tmp_path / "s", tiny(steps=100))
    assert (tmp_path / "s" / "study.json").read_bytes() == before


def test_a_wrong_config_leaves_no_trace(tmp_path):
    study = get_config()
    wrong = replace(study, evaluate=replace(study.evaluate, lengths=(0,)))
    with pytest.raises(ConfigError, match=r"evaluate\.lengths"):
        open_study(tmp_path / "s", wrong)
    assert not (tmp_path / "s").exists()


def test_where_it_ran_first_is_kept_and_what_is_new_is_added(tmp_path):
    """The newest command too, beside the first."""
    first, same, other = ({"versions": {"jax": v}, "argv": [a]} for v, a in [("1", "x"), ("1", "y"), ("2", "x")])
    record_environment(tmp_path, first)
    record_environment(tmp_path, first)
    assert read_json(tmp_path / "environment.json") == first
    record_environment(tmp_path, same)
    assert read_json(tmp_path / "environment.json") == first | {"newest_argv": ["y"]}
    for _ in range(2):
        record_environment(tmp_path, other)
    assert read_json(tmp_path / "environment.json") == first | {"newest_argv": ["x"], "resumed": [other]}


def test_a_study_of_another_version_is_refused(tmp_path):
    (tmp_path / "study.json").write_text("{}")
    with pytest.raises(ConfigError, match="not of this version"):
        open_study(tmp_path, get_config())


def test_no_worker_trains_on_for_a_command_that_cannot_go_on(tmp_path):
    jobs = some_jobs(tmp_path / "s")

    def watch():
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        run_at(Fails([True] * len(jobs)), jobs, tmp_path / "s", watch)
    assert (tmp_path / "s" / "stop").exists()


def test_a_directory_with_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("!")
    with pytest.raises(ConfigError, match=r"holds thesis.tex and no study"):
        open_study(tmp_path, get_config())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_no_directory(tmp_path):
    (tmp_path / "s").write_text("!")
    with pytest.raises(ConfigError, match="is a file"):
        open_study(tmp_path / "s", get_config())


def test_the_layout_of_the_beginning_stays(tmp_path):
    """A study begun on two cores keeps its block width on sixteen: bits depend on it."""
    first = open_study(tmp_path / "s", get_config(), workers=2)
    again = open_study(tmp_path / "s", get_config(), workers=16)
    assert again == first
    assert layout_of(StudyPlan(get_config()), workers=16) != first


def test_another_kind_of_machine_is_refused(tmp_path):
    open_study(tmp_path / "s", get_config())
    with pytest.raises(MachineError, match="was begun on 1 cpu"):
        open_study(tmp_path / "s", get_config(), platform="gpu", num_devices=4)


def test_runs_split_evenly_over_devices():
    layout = layout_of(StudyPlan(get_config()), platform="gpu", num_devices=3)
    assert (layout.width, layout.group) == (6, 2)


def with_seeds(seeds):
    """The tiny study, two models at two rates, of so many seeds."""
    study = get_config()
    return StudyPlan(replace(study, train=replace(study.train, seeds=seeds)))


@pytest.mark.parametrize(
    ("runs", "workers", "num_devices", "width"),
    [(24, 1, 1, 24), (24, 2, 1, 24), (24, 4, 1, 12), (24, 4, 2, 12), (26, 5, 2, 10), (24, 100, 1, 1), (4, 1, 3, 6)],
)
def test_several_workers_with_devices_have_a_block_each(runs, workers, num_devices, width):
    layout = layout_of(with_seeds(runs // 2), platform="gpu", workers=workers, num_devices=num_devices)
    assert (layout.width, layout.group) == (width, width // num_devices)


def test_a_tpu_has_idle_places_before_it_trains_one_run_at_a_time():
    study = get_config()
    rates = tuple(1e-3 * 2**k for k in range(5))
    plan = StudyPlan(replace(study, train=replace(study.train, seeds=5, learning_rates=rates)))
    found = layout_of(plan, platform="tpu"), layout_of(plan, platform="tpu", workers=1, num_devices=3)
    assert [(layout.width, layout.group) for layout in found] == [(28, 4), (27, 3)]
    assert layout_of(plan, platform="gpu").width == 25


def test_a_cpu_trains_few_runs_at_a_time_a_tpu_more_and_a_gpu_all_that_it_has():
    plan = StudyPlan(get_config())
    assert layout_of(plan).group == 2
    assert layout_of(plan, num_devices=4).group == 1  # of the one run that each device has
    assert layout_of(plan, platform="gpu").group == layout_of(plan, platform="gpu").width == 4
    wide = with_seeds(6)
    assert [layout_of(wide, platform=name).width for name in ("tpu", "gpu")] == [12, 12]
    assert [layout_of(wide, platform=name).group for name in ("tpu", "gpu")] == [4, 12]  # a TPU's compiler unrolls


def test_differences_are_named_by_path():
    old, new = {"a": {"b": 1, "c": [1]}, "d": 2}, {"a": {"b": 1, "c": [2]}, "e": 3}
    assert list(differences(old, new)) == ["a.c: [1] -> [2]", "d: 2 -> None", "e: None -> 3"]


class Fails:
    """An executor whose jobs end as the list says."""

    def __init__(self, outcomes):
        self.outcomes, self.submitted = list(outcomes), []

    def submit(self, fn, job, terms):
        from concurrent.futures import Future

        self.submitted.append(job)
        future = Future()
        outcome = self.outcomes.pop(0)
        future.set_exception(outcome) if isinstance(outcome, Exception) else future.set_result(outcome)
        return future


def run_at(executor, jobs, directory, watch=lambda: None):
    run_jobs(jobs, Place(executor, 2), Terms(), directory, watch)


def some_jobs(directory):
    plan = StudyPlan(get_config())
    with opened(directory, plan, layout_of(plan)) as layout:
        return jobs_of(plan, directory, layout, ["transformer", "gru"])


def test_a_worker_that_dies_twice_ends_the_study_and_is_named(tmp_path):
    jobs = some_jobs(tmp_path / "s")
    died = WorkerDiedError("killed.")
    executor = Fails([died, True] + [True] * (len(jobs) - 2) + [died])
    with pytest.raises(WorkerDiedError, match=f"block {jobs[0]}: killed. Twice."):
        run_at(executor, jobs, tmp_path / "s")
    assert executor.submitted.count(jobs[0]) == 2
    assert not (tmp_path / "s" / "stop").exists()


def test_a_worker_that_dies_once_is_forgiven(tmp_path):
    jobs = some_jobs(tmp_path / "s")
    run_at(Fails([WorkerDiedError("killed.")] + [True] * len(jobs)), jobs, tmp_path / "s")


def test_an_error_in_a_job_is_raised_as_it_is(tmp_path):
    jobs = some_jobs(tmp_path / "s")
    with pytest.raises(ZeroDivisionError) as caught:
        run_at(Fails([ZeroDivisionError()] + [True] * (len(jobs) - 1)), jobs, tmp_path / "s")
    assert caught.value.__notes__ == [f"in block {jobs[0]}"]


def test_results_are_read_back_run_by_run(tmp_path):
    write_study(tmp_path / "s")
    results = read_results(tmp_path / "s")
    model = results.models["gru"]
    assert model.score.shape == (2, 2, 20)
    want = np.array([[0.0, 0.2], [0.4, 0.6]])  # normalised: (accuracy - .5) / .5
    np.testing.assert_allclose(model.score[0, :, -1], want[0], atol=1e-12)
    assert model.diverged.tolist() == [[False, False], [True, False]]
    assert np.isnan(model.score[1, 0]).all()
    assert np.isnan(model.final[1, 0])
    np.testing.assert_allclose(model.final[1, 1], 0.6)
    assert model.length_score.shape == (2, 2, 3)
    assert results.floors[4]["uniform"]["value"] == 0.5


@pytest.mark.parametrize("collects", [True, False])
def test_reading_leaves_the_collector_as_it_was(collects, tmp_path, monkeypatch):
    write_study(tmp_path / "s")
    seen = []
    monkeypatch.setattr(collect, "_read_model", lambda *args: seen.append(gc.isenabled()) or 1 / 0)
    (gc.enable if collects else gc.disable)()
    try:
        with pytest.raises(ZeroDivisionError):
            read_results(tmp_path / "s")
        assert (seen, gc.isenabled()) == ([False], collects)
    finally:
        gc.enable()


def test_runs_are_looked_up_and_seeds_have_their_own_numbers(tmp_path):
    """study.json alone says which run lies where: here in another order, in blocks of other sizes."""
    write_study(tmp_path / "s", tiny(first_seed=7))
    facts = read_study(tmp_path / "s")
    assert facts["runs"]["gru"] == [[[7, 1e-3], [7, 3e-3], [8, 1e-3], [8, 3e-3]]]
    results = load(tmp_path / "s")
    assert [(row["seed"], row["learning_rate"], row["diverged"]) for row in results.runs()][:4] == [
        (7, 1e-3, False),
        (7, 3e-3, False),
        (8, 1e-3, True),
        (8, 3e-3, False),
    ]
    assert [run["seed"] for run in summarize(results)["models"]["gru"]["runs"]] == [7, 7, 8, 8]
    assert [results._run("gru", seed, None) for seed in (7, 8)] == [(7, 3e-3), (8, 1e-3)]
    with pytest.raises(ConfigError, match="seed: got 0, wanted one of 7, 8"):
        results.model("gru", seed=0)
    facts["runs"]["gru"] = [[[8, 1e-3], [7, 1e-3], [7, 3e-3], [8, 3e-3]]]
    write_json(tmp_path / "s" / "study.json", facts)
    again = load(tmp_path / "s").models["gru"]
    assert again.diverged.tolist() == [[False, True], [False, False]]  # the third run
    np.testing.assert_allclose(again.final[[1, 0, 1], [0, 0, 1]], [0, 0.2, 0.6], atol=1e-12)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("runs", [[], [[[0, 1e-3]]], [[[0, 1e-3], [0, 3e-3], [1, 1e-3], [1, 1e-3]]], [[]]])
def test_runs_that_are_not_the_studys_are_damage(runs, tmp_path):
    open_study(tmp_path / "s", get_config())
    facts = read_study(tmp_path / "s")
    facts["runs"]["gru"] = runs
    write_json(tmp_path / "s" / "study.json", facts)
    with pytest.raises(ConfigError, match=r"study.json: is damaged: runs\.gru "):
        read_study(tmp_path / "s")


def measure_too(path, name, first=0):
    """Another measure in a block's rows from one on, of the values of the loss."""
    rows = read_rows(path)
    for row in rows[first:]:
        scores = row["test" if "test" in row else "validation"]
        scores[name] = scores["loss"]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_what_was_measured_goes_by_its_name_to_results_and_summary(tmp_path):
    write_study(tmp_path / "s")
    path = tmp_path / "s" / "blocks" / "gru-0" / "metrics.jsonl"
    measure_too(path, "luck", first=5)
    assert "luck" not in read_results(tmp_path / "s").models["gru"].measured  # begun by another version
    measure_too(path, "luck")
    results = read_results(tmp_path / "s")
    luck, loss = (results.models["gru"].measured[name] for name in ("luck", "loss"))
    for one, other in zip(luck, loss, strict=True):
        np.testing.assert_array_equal(one, other)
    models = summarize(results)["models"]
    assert models["gru"]["measures"]["luck"] == models["gru"]["measures"]["loss"]
    assert "luck" not in models["transformer"]["measures"]


def test_a_row_written_twice_counts_once(tmp_path):
    write_study(tmp_path / "s")
    before = read_results(tmp_path / "s").models["gru"]
    path = tmp_path / "s" / "blocks" / "gru-0" / "metrics.jsonl"
    append_row(path, read_rows(path)[5])
    after = read_results(tmp_path / "s").models["gru"]
    np.testing.assert_array_equal(before.score, after.score)
    assert before.seconds == after.seconds


def test_an_unfinished_model_is_left_out_and_none_is_an_error(tmp_path):
    write_study(tmp_path / "s")
    path = tmp_path / "s" / "blocks" / "transformer-0" / "metrics.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in read_rows(path)[:-1]))
    assert list(read_results(tmp_path / "s", ["gru"]).models) == ["gru"]
    with pytest.raises(ConfigError, match="not finished: transformer; attn-jax compare goes on"):
        read_results(tmp_path / "s")
    with pytest.raises(ConfigError, match="holds no study"):
        read_results(tmp_path)


@pytest.mark.parametrize(
    "lines",
    [
        b'{"step": 1, "x": [1\n2]}\n{"step": 2}\n',  # whole together, and neither is alone
        b'{"step": 1}, {"step": 2}\n{"step": 3}\n',  # a line end that became a comma
        b'{"step": 1}, {"step": 2}\n{"step": 3, "x": [1\n2]}\n{"step": 4}\n',  # both
        b'{"step": 1}\n[2]\n{"step": 3}\n',
    ],
)
def test_lines_that_are_rows_only_together_are_damaged(lines, tmp_path):
    (tmp_path / "metrics.jsonl").write_bytes(lines)
    with pytest.raises(ConfigError, match=r"metrics.jsonl, line \d: is damaged"):
        read_rows(tmp_path / "metrics.jsonl")


def test_a_row_is_judged_as_slowly_as_it_was():
    """What is quickly found to fit has no complaint, and what does not has one."""
    scores = {"loss": [[1.0, None]], "metric": [[1, 2.5]], "whole": [[0.0, 1.0]]}
    step = {"step": 5, "seconds": 1, "train_loss": [0.5], "diverged": [False], "validation": scores}
    rows = [step, step | {"cpu_seconds": 0.5}, {"start": 0, "compile_seconds": 1.5, "cores": 2}]
    assert all(row_complaint(row) is None for row in rows)
    wrong = {
        "seconds is 'x'": step | {"seconds": "x"},
        "seconds is missing": {key: value for key, value in step.items() if key != "seconds"},
        "diverged.0 is '1'": step | {"diverged": [1]},
        "validation.loss.0.1 is '2'": step | {"validation": scores | {"loss": [[1.0, "2"]]}},
        "validation.luck.0 is no list": step | {"validation": scores | {"luck": [1.0]}},
        "validation.metric is missing": step | {"validation": {"loss": [[1.0]], "whole": [[1.0]]}},
        "cores is 'True'": {"start": 0, "compile_seconds": 1.5, "cores": True},
        "load is 'None'": step | {"load": None},
    }
    assert {row_complaint(row) for row in wrong.values()} == set(wrong)
    facts = {"width": 1, "task": {"validation_lengths": [4, 4]}}
    assert rows_complaint([], facts) is rows_complaint([step, step, rows[1], rows[2]], facts) is None
    for complaint, row in wrong.items():
        assert rows_complaint([step, row, step | {"seconds": "y"}], facts) == complaint
    short = step | {"validation": scores | {"loss": [[1.0]]}}
    assert rows_complaint([step, short], facts) == "step 5 has not 1 runs of 2 scores"
    for wider in ({"diverged": [False] * 2}, {"validation": scores | {"luck": [[1.0, 2.0]] * 2}}):
        assert rows_complaint([step, step | wider], facts) == "step 5 has not 1 runs of 2 scores"
    assert rows_complaint([step, step | {"train_loss": []}], facts) == "step 5 has not 1 runs"
    both = step | {"test": 1, "after": 5, "lengths": [4]}  # of two kinds
    assert rows_complaint([step, both], facts) == rows_complaint([both, both], facts) == "test is no table"


def test_a_cpu_trains_a_run_at_a_time_where_many_batches_are_short():
    """Its step then goes by its own batch's length; an accelerator's, of all its runs, would go by the longest."""
    study = get_config()
    lengths = {(2, 9): 1, (7, 9): 2, (9, 9): 2}
    plans = {span: StudyPlan(replace(study, train=replace(study.train, lengths=span))) for span in lengths}
    assert {span: layout_of(plan).group for span, plan in plans.items()} == lengths
    assert layout_of(plans[2, 9], platform="gpu").group == 4
    assert plans[2, 9].block_plan("gru").short == plans[2, 9].spec.num_tokens(9) // 2
    assert plans[7, 9].block_plan("gru").short is None
