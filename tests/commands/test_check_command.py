"""`attn-jax check` on docs/your_mixer.md's, on broken twins of it, and on a task: what is said, and the exit code."""

import re
from pathlib import Path

import pytest

from attn_jax.cli import main

PAGE = (Path(__file__).parent.parent.parent / "docs" / "your_mixer.md").read_text(encoding="utf-8")
LEAKY = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)[0]
RETURN = "    return extend(params, x, jnp.zeros(x.shape[::2]), valid)[0]\n"
REFUSED = "my.py:Leaky breaks its contract: apply with a key, as in training, fails: ANYTHING (my.py, line {line})\n"
OPTIONS = """
from dataclasses import field


@dataclass(frozen=True)
class Rated(Leaky):
    rate: float = field(kw_only=True)

    def __post_init__(self):
        assert self.rate > 0, "rate is to be positive"


@dataclass(frozen=True)
class Fussy(Rated):
    rate: float = 0.0


class Unfinished(MixerConfig):
    pass


rated = Rated(rate=0.5)
task = TASKS["parity"]
"""
PARITY = """
from dataclasses import dataclass
from attn_jax.tasks import Parity

@dataclass(frozen=True)
class Mine(Parity):
    def make(self):
        task = super().make()
        return task._replace(solve=lambda inputs, valid: SOLVED)
"""


@pytest.fixture
def check(tmp_path, capsys, monkeypatch):
    """Runs `attn-jax check KIND my.py:NAME` on a file of this text, in its folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(text: str, name: str = ":Leaky", kind: str = "mixer", path: str = "my.py"):
        (tmp_path / "my.py").write_text(text, encoding="utf-8")
        code = main(["check", kind, f"{path}{name}"])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def broken(body: str) -> str:
    """The page's mixer with another body of `apply`."""
    assert RETURN in LEAKY
    return LEAKY.replace(RETURN, body)


@pytest.mark.exhaustive
def test_the_pages_mixer_keeps_the_contract(check):
    code, out, err = check(LEAKY)
    assert (code, err) == (0, "")
    first, second, *promises = out.splitlines()
    assert first == "checking mixer my.py:Leaky on cpu"
    assert second == "my.py:Leaky keeps the contract of a mixer:"
    assert len(promises) == 9
    assert promises[-1] == "  weight decay pulls at w; it leaves alone decay"
    assert "  y depends on no later x (from the Jacobian)" in promises


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (RETURN.replace("\n", " + x.mean(1, keepdims=True)\n"), "my.py:Leaky breaks its contract: not causal: y dep"),
        (RETURN.replace("\n", "[:, :, :4]\n"), "my.py:Leaky breaks its contract: apply gives shape (2, 9, 4), wanted"),
        (RETURN.replace("[0]", ""), "my.py:Leaky breaks its contract: apply gives a tuple, wanted one array"),
        ("    raise OSError\n", "my.py, line {line}: OSError\n"),
        ("    assert x.shape[1] == 3, 'T is not 3'\n", "my.py, line {line}: AssertionError: T is not 3\n"),
        ("    raise SystemExit(0)\n", "my.py, line {line}: SystemExit: 0\n"),
        ("    return -x if x.sum() > 0 else x\n", REFUSED),
        ("    return x @ params['w'][:3]\n", REFUSED),
    ],
)
def test_a_broken_twin_is_one_sentence_and_exit_code_1(body, said, check):
    text = broken(body)
    line = text[: text.index(body)].count("\n") + 1
    code, out, err = check(text)
    assert code == 1
    assert "keeps" not in out
    assert err.count("\n") == 1
    sentence = re.escape(said.format(line=line)).replace("ANYTHING", ".*")
    assert re.match(f"attn-jax: {sentence}", err)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (":Leakey", "my.py: has no 'Leakey', did you mean Leaky?"),
        (":zzz", "my.py: has no 'zzz', wanted one of Leaky, Rated, Fussy, Unfinished, rated"),
        ("", "my.py: got no class, wanted my.py:ClassName; it has Leaky, Rated, Fussy, Unfinished, rated\n"),
        (":Study", "my.py: Study is no mixer, wanted a subclass of MixerConfig\n"),
        (":task", "my.py: task is no mixer, wanted a subclass of MixerConfig; it is a task: attn-jax check task\n"),
        (":Rated", "my.py: Rated cannot be made without arguments: my.py: TypeError: "),
        (":Fussy", "my.py: Fussy cannot be made without arguments: my.py, line {line}: AssertionError: rate is to be"),
        (":Unfinished", "my.py: Unfinished cannot be made without arguments: my.py: TypeError: Can't instantiate"),
    ],
)
def test_what_is_no_mixer_is_one_sentence_and_exit_code_2(name, said, check):
    text = LEAKY + OPTIONS
    line = text[: text.index("        assert self.rate")].count("\n") + 1
    code, out, err = check(text, name)
    assert (code, out) == (2, "")
    assert err.startswith(f"attn-jax: {said.format(line=line)}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "path", "said"),
    [
        ("", "nowhere.py", "nowhere.py: no such file\n"),
        ("x = 1", "my.py", "my.py: has no 'Leaky', and no mixer at all\n"),
        ("from attn_jax.mixers import GRU", "my.py", "my.py: has no 'Leaky', and no mixer at all\n"),
        ("\nx = 1 / 0", "my.py", "my.py, line 2: ZeroDivisionError: division by zero\n"),
        ("raise SystemExit", "my.py", "my.py, line 1: SystemExit\n"),
        ("def f(:", "my.py", "my.py: SyntaxError: "),
    ],
)
def test_a_file_that_does_not_load_is_one_sentence_and_exit_code_2(text, path, said, check):
    code, out, err = check(text, path=path)
    assert (code, out) == (2, "")
    assert err.startswith(f"attn-jax: {said}")
    assert err.count("\n") == 1


def test_a_path_may_be_absolute_or_have_another_suffix(check, tmp_path):
    code, _, err = check("1 / 0", path=str(tmp_path / "my.py"))
    assert (code, err) == (2, f"attn-jax: {tmp_path}/my.py, line 1: ZeroDivisionError: division by zero\n")
    (tmp_path / "my.txt").write_text("x = 1")
    code, _, err = check("", path="my.txt")
    assert (code, err) == (2, "attn-jax: my.txt: got a '.txt' file, wanted .py\n")


def test_an_instance_and_a_registered_name_are_found(check, monkeypatch):
    checked = []
    monkeypatch.setattr("attn_jax.testing.check_mixer", checked.append)
    assert check(LEAKY + OPTIONS, ":rated")[0] == 0
    assert checked[0].rate == 0.5
    code, out, _ = check("", "", path="attention")
    assert code == 0
    assert out.startswith("checking mixer attention on cpu\n")
    both = check("from attn_jax.mixers import Attention\nboth = Attention(causal=False)", ":both")[1].splitlines()
    assert "  y depends on earlier and on later x (from the Jacobian); there is no decoding" in both
    code, _, err = check("", "", path="atention")
    assert code == 2
    assert err == "attn-jax: mixer: got 'atention', did you mean attention or retention or linear_attention?\n"


SOLVED = "inputs.sum(1, keepdims=True) % 2 + 0 * inputs"


@pytest.mark.exhaustive
def test_a_task_too(check):
    code, out, err = check(PARITY.replace("SOLVED", SOLVED), ":Mine", "task")
    assert (code, err) == (0, "")
    assert out.startswith("checking task my.py:Mine on cpu\nmy.py:Mine keeps the contract of a task:\n")
    assert "  solve gives the targets where scored, from what was read so far alone" in out.splitlines()


@pytest.mark.exhaustive
def test_a_broken_task_too(check):
    code, _, err = check(PARITY.replace("SOLVED", SOLVED.replace("% 2", "% 3")), ":Mine", "task")
    assert code == 1
    assert err.startswith("attn-jax: my.py:Mine breaks its contract: length ")
    code, _, err = check(PARITY.replace("SOLVED", "nothing"), ":Mine", "task")
    assert (code, err) == (1, "attn-jax: my.py, line 9: NameError: name 'nothing' is not defined\n")
    assert check("", "", "task", "parityy")[2].startswith("attn-jax: task: got 'parityy', did you mean parity")


def test_a_task_whose_data_are_not_installed_says_what_to_install(check, monkeypatch):
    def missing(config):
        raise ImportError('the digits want: pip install "attn_jax[digits]"')

    monkeypatch.setattr("attn_jax.testing.check_task", missing)
    code, _, err = check("", "", "task", "digits")
    assert (code, err) == (4, 'attn-jax: the digits want: pip install "attn_jax[digits]"\n')
