"""README: its code runs, its files exist, its first block is two commands. The mixer of docs/your_mixer.md."""

import re
from pathlib import Path

import jax
import pytest

from attn_jax.config.file import load_study
from attn_jax.lab.plan.study_plan import StudyPlan
from attn_jax.testing import check_mixer
from attn_jax.training.runs import init_runs

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
PAGE = (ROOT / "docs" / "your_mixer.md").read_text(encoding="utf-8")
MIXER = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)[0]


def test_the_first_block_is_two_commands():
    language, text = BLOCKS[0]
    assert language == ""
    run, check = text.splitlines()
    assert run == "pip install -e . && attn-jax compare --config=configs/quickstart.py"
    assert check.startswith('pip install -e ".[test,digits]" && ')
    assert check.endswith("pytest")


@pytest.mark.programs(150)  # what a reader types is eager
def test_python_runs_from_top_to_bottom():
    names = {}
    for text in (text for language, text in BLOCKS if language == "python"):
        exec(compile(text, "README.md", "exec"), names)
    assert names["out"].shape == (2, 6, 4, 8)
    assert names["gradient"].shape == (4,)


@pytest.fixture
def leaky(tmp_path):
    path = tmp_path / "my_mixer.py"
    path.write_text(MIXER)
    return load_study(path)


def test_the_mixer_keeps_the_contract(leaky):
    check_mixer(leaky.models["leaky"].mixers[0])


def test_the_mixer_is_25_lines_and_takes_part_in_a_study(leaky):
    body = MIXER[MIXER.index("@dataclass") : MIXER.index("def get_config")]
    assert len([line for line in body.splitlines() if line.strip()]) <= 25
    plan = StudyPlan(leaky).block_plan("leaky")
    state = jax.eval_shape(lambda: init_runs(plan, jax.numpy.arange(2), jax.numpy.ones(2)))
    assert state.params["layers"][0]["mixer"]["decay"].shape[0] == 2


def test_its_configs_and_files_exist():
    for path in re.findall(r"`(configs/\w+\.py|attn_jax/[\w/]+\.py)`|--config=(configs/\w+\.py)", README):
        assert (ROOT / (path[0] or path[1])).is_file(), path
    for link in re.findall(r"\]\(([\w./-]+)[#)]", README):
        assert (ROOT / link).exists(), link


def test_it_is_short_and_its_first_screen_has_the_picture():
    lines = README.splitlines()
    assert len(lines) <= 125
    assert len(README.split()) <= 1211  # half of what it was before there was a site
    assert max(i for i, line in enumerate(lines) if line.startswith(("![", "- **To "))) < 25


def test_nothing_is_left_to_fill_in():
    assert not re.search(r"README_[A-Z]+|RESULT_[A-Z]+", README)
