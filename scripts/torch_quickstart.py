"""configs/quickstart.py's models in PyTorch, as its user would write them: milliseconds of CPU time a step, as JSON.

    python scripts/torch_quickstart.py [--steps N]

One run, one thread, eager: the widths at which quickstart's models have equal parameters, its task, batch, AdamW and
clipping; weight decay on everything, no warm-up, and neither takes time. Of "ms" all places go through the last layer,
as a user would write it, of "scored" those alone that are asked. Wants torch alone, so that an environment of its own
will do; scripts/bench_main_job.py runs it beside ours.
"""

import argparse
import json
import time
from collections.abc import Callable

import torch  # pyright: ignore[reportMissingImports]: in the extra `bench`, not in `test`
import torch.nn.functional as F  # pyright: ignore[reportMissingImports]
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]

BATCH, PAIRS, KEYS, VALUES = 32, 6, 16, 16
WIDTHS = {"transformer": 32, "lstm": 28, "gru": 30}
WARM = 30  # steps before the clock runs


def batch() -> tuple[Tensor, Tensor]:
    """Pairs of keys and values, then every key once more, and the values that answer."""
    keys = torch.rand(BATCH, KEYS).argsort(1)[:, :PAIRS]
    values = torch.randint(VALUES, (BATCH, PAIRS))
    order = torch.rand(BATCH, PAIRS).argsort(1)
    pairs = torch.stack([keys, values + KEYS], -1).reshape(BATCH, 2 * PAIRS)
    return torch.cat([pairs, keys.gather(1, order)], 1), values.gather(1, order)


class Attention(nn.Module):
    """Causal self-attention of two heads, its projections of queries, keys and values in one."""

    def __init__(self, width: int):
        super().__init__()
        self.project, self.merge = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, asked: int) -> Tensor:
        """[B, T, D] -> [B, asked, D], the last of them."""
        rows, length, width = x.shape
        if asked == length:
            query, key, value = self.project(x).view(rows, length, 3, 2, width // 2).permute(2, 0, 3, 1, 4)
            heads = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        else:
            of_query, of_rest = self.project.weight.split([width, 2 * width])
            query = F.linear(x[:, -asked:], of_query).view(rows, asked, 2, width // 2).transpose(1, 2)
            key, value = F.linear(x, of_rest).view(rows, length, 2, 2, width // 2).permute(2, 0, 3, 1, 4)
            seen = torch.ones(asked, length, dtype=torch.bool).tril(length - asked)
            heads = F.scaled_dot_product_attention(query, key, value, seen)
        return self.merge(heads.transpose(1, 2).reshape(rows, asked, width))


class Recurrence(nn.Module):
    """torch's own LSTM or GRU."""

    def __init__(self, cell: Callable[..., nn.Module], width: int):
        super().__init__()
        self.cell = cell(width, width, batch_first=True)

    def forward(self, x: Tensor, asked: int) -> Tensor:
        """[B, T, D] -> [B, asked, D], the last of them."""
        return self.cell(x)[0][:, -asked:]


class Layer(nn.Module):
    """Mixer and MLP, each with its residual and, in the transformer, layer norm before it."""

    def __init__(self, mixer: nn.Module, width: int, norm: Callable[[], nn.Module]):
        super().__init__()
        self.mixer, self.before_mixer, self.before_mlp = mixer, norm(), norm()
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, asked: int) -> Tensor:
        """[B, T, D] -> [B, asked, D], the last of them."""
        x = x[:, -asked:] + self.mixer(self.before_mixer(x), asked)
        return x + self.mlp(self.before_mlp(x))


class Model(nn.Module):
    """Two layers between a table of tokens and a readout; sinusoids tell the transformer its places."""

    def __init__(self, name: str):
        super().__init__()
        width = WIDTHS[name]
        mixers = {
            "transformer": lambda: Attention(width),
            "lstm": lambda: Recurrence(nn.LSTM, width),
            "gru": lambda: Recurrence(nn.GRU, width),
        }
        norm = (lambda: nn.LayerNorm(width)) if name == "transformer" else nn.Identity
        self.embedding, self.readout = nn.Embedding(KEYS + VALUES, width), nn.Linear(width, VALUES)
        self.first, self.last = (Layer(mixers[name](), width, norm) for _ in range(2))
        self.norm = norm()
        places = torch.arange(3 * PAIRS)[:, None] / 1e4 ** (torch.arange(0, width, 2) / width)
        waves = torch.stack([places.sin(), places.cos()], -1).reshape(3 * PAIRS, -1)
        self.register_buffer("places", waves if name == "transformer" else torch.zeros(()))

    def forward(self, tokens: Tensor, asked: int) -> Tensor:
        """Logits [B, asked, V] of the last places."""
        x = self.first(self.embedding(tokens) + self.places, 3 * PAIRS)
        return self.readout(self.norm(self.last(x, asked)))


def step_ms(name: str, steps: int, asked: int) -> float:
    """CPU milliseconds a training step of one run."""
    torch.manual_seed(0)
    model = Model(name)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3, weight_decay=0.01, fused=True)

    def step() -> None:
        inputs, targets = batch()
        logits = model(inputs, asked)[:, -PAIRS:]
        loss = F.cross_entropy(logits.reshape(-1, VALUES), targets.reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    for _ in range(WARM):
        step()
    began = time.process_time()
    for _ in range(steps):
        step()
    return (time.process_time() - began) / steps * 1e3


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100, help="timed, of each model")
    steps = parser.parse_args().steps
    torch.set_num_threads(1)
    taken = {
        form: {name: step_ms(name, steps, asked) for name in WIDTHS}
        for form, asked in (("ms", 3 * PAIRS), ("scored", PAIRS))
    }
    print(json.dumps({"version": torch.__version__} | taken))


if __name__ == "__main__":
    main()
