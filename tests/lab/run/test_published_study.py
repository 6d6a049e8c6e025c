"""A study that is done takes up what others published, and trains nothing for it."""

from dataclasses import replace

from written_study import layout_of, opened, tiny, write_study

from attn_jax.config import Published
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.lab.record.schema import read_study
from attn_jax.lab.run.session import jobs_of

PAPER = Published(0.9, "accuracy", of="their GRU", where="Table 2")


def test_it_is_written_down_and_no_block_is_left(tmp_path, capsys):
    write_study(tmp_path)
    before = read_study(tmp_path)
    plan = StudyPlan(replace(tiny(), published=(PAPER,)))
    with opened(tmp_path, plan, layout_of(plan)) as layout:
        assert jobs_of(plan, tmp_path, layout, list(plan.study.models)) == []
    after = read_study(tmp_path)
    assert after["config"]["published"] == [vars(PAPER)]
    assert after["looks"] == before["looks"] and after["fingerprint"] == before["fingerprint"]
    assert "grows" not in capsys.readouterr().out


def test_more_seeds_may_come_with_it(tmp_path):
    write_study(tmp_path)
    plan = StudyPlan(replace(tiny(seeds=3), published=(PAPER,)))
    with opened(tmp_path, plan, layout_of(plan)):
        assert read_study(tmp_path)["config"]["published"] == [vars(PAPER)]
