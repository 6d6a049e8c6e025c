"""A finished sweep's directory as workers leave it, without training."""

from concurrent.futures import Executor, Future
from functools import partial

from tiny_study import get_config
from written_study import facts_counted_once, fill, layout_of

from attn_jax.config import Sweep
from attn_jax.lab.run.places.base import Terms
from attn_jax.lab.run.sweep_session import opened_sweep, plan_points

AXIS = "models.transformer.d_model"
SLOPES = {"transformer": 0.05, "gru": 0.01}  # of the accuracy, from point to point


class AtOnce(Executor):
    """Runs what it is given, here and now."""

    def __init__(self):
        self.calls = []

    def submit(self, fn, /, *args, **kwargs):
        self.calls.append((fn, *args))
        future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def tiny_sweep(**axes):
    return Sweep(get_config(), axes or {AXIS: (4, 8, 16)})


def begin_sweep(directory, sweep, executor=None):
    """The sweep's directory held and begun, as `attn-jax compare` does it: (points, a context of layouts)."""
    with facts_counted_once():
        points = plan_points(sweep, directory, executor or AtOnce(), Terms())
    layouts = {point: layout_of(planned.plan) for point, planned in points.items()}
    return points, opened_sweep(directory, sweep, points, layouts, confirmed=True)


def accuracy_at(place, name, run):
    return 0.5 + SLOPES[name] * place + 0.1 * run


def write_sweep(directory, sweep=None):
    """A finished sweep; accuracies grow from point to point, the transformer's faster, and by .1 a run."""
    points, opening = begin_sweep(directory, sweep or tiny_sweep())
    with opening as layouts:
        for place, point in enumerate(layouts):
            at, plan = points[point].directory, points[point].plan
            accuracy = partial(accuracy_at, place)
            fill(at, plan, accuracy, lost=None)
    return points
