"""Files of a user's own, as tests write them: a config, mixers in their own modules, helpers beside them."""

CONFIG = """
from attn_jax.config import EvaluateConfig, Study, TrainConfig
from attn_jax.mixers import GRU
from attn_jax.models import classic
from attn_jax.tasks import Parity
from mine import Mine
from other import Other

def get_config():
    models = {"mine": Mine(), "other": Other(), "gru": GRU()}
    train = TrainConfig(30, 4, lengths=(2, 3), seeds=1, learning_rates=(1e-3,), warmup_steps=5)
    rows = enumerate(models.items())
    models = {name: classic(mixer, d_model=None if row else 4, num_layers=1) for row, (name, mixer) in rows}
    return Study("own", Parity(), models, train, EvaluateConfig(10, 4, (2, 3)))
"""
MIXER = """
from dataclasses import dataclass
from attn_jax.mixers import GRU
IMPORTS

@dataclass(frozen=True)
class NAME(GRU):
    "A mixer."
    rate: int | float = 0.5

    def make(self):  # as GRU does
        return super().make()
"""
FILES = {
    "config.py": CONFIG,
    "mine.py": MIXER.replace("NAME", "Mine").replace("IMPORTS", "import helper\nfrom pack.inner import thing"),
    "other.py": MIXER.replace("NAME", "Other").replace("IMPORTS", ""),
    "helper.py": "scale = 1.0\n\ndef late():\n    import lazy\n    return lazy.x\n",
    "lazy.py": "import helper\nx = 1\n",  # a cycle
    "pack/__init__.py": "",
    "pack/inner.py": "from . import sibling\nfrom .sibling import *\nthing = 1\n",
    "pack/sibling.py": "y = 2\n",
    "unused.py": "z = 3\n",
    "random.py": "raise RuntimeError('shadows the standard library')\n",
    "jax.py": "raise RuntimeError('shadows jax')\n",
    "scipy.py": "raise RuntimeError('shadows scipy')\n",
}


def write(folder, changes=None):
    """Writes the files, those of `changes` otherwise; the config's path."""
    for name, text in (FILES | (changes or {})).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder / "config.py"
