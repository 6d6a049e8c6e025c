"""The keys of summary.json: what `summarize` returns. docs/lab.md tells of each; a test holds the three together."""

from typing import Literal, TypedDict


class Estimate(TypedDict):
    """A value, its 95 % interval, and how that was made; None where seeds that agree bound nothing."""

    value: float
    low: float | None
    high: float | None
    method: str


class SolvedFraction(Estimate):
    """The share of seeds that solved the task, of n."""

    n: int


class SolvedCurve(TypedDict):
    """The share solved by each step, a right-continuous step function, and its 95 % band."""

    steps: list[float]
    solved: list[float]
    low: list[float]
    high: list[float]


class FloorScore(TypedDict):
    """What a trivial predictor scores."""

    value: float | None
    loss: float | None


class RunSummary(TypedDict):
    """One seed at one learning rate; None where the task has no threshold, or the run did not solve it."""

    seed: int
    learning_rate: float
    solved: bool | None
    steps_to_solve: int | None
    unconfirmed: bool | None
    diverged: bool
    final: float


class RateSummary(TypedDict):
    """One learning rate over all seeds: how many runs, seeds reported at it, solved, unconfirmed and diverged."""

    rate: float
    runs: int
    chosen: int
    solved: int | None
    unconfirmed: int | None
    diverged: int
    restricted_mean_steps: float | None
    final: float


class Solved(TypedDict):
    """How many seeds solved the task, and when; None throughout where the task has no threshold."""

    solved_fraction: SolvedFraction | None
    restricted_mean_steps: Estimate | None
    median_steps: float | None
    solved_curve: SolvedCurve | None
    to_solve: dict[str, Estimate] | None


class MeasureSummary(TypedDict):
    """A measure on test data, at the training lengths and at each; None where a run diverged and has none."""

    final: Estimate | None
    lengths: dict[str, Estimate | None]


class ModelSummary(Solved):
    """One model, one run a seed, at its cross-fitted rate."""

    start: str | None
    description: str
    parameters: int
    parameters_matched: int
    state_bytes: int
    train_flops_per_step: float | None
    sequential_depth: str
    runs: list[RunSummary]
    rates: list[RateSummary]
    chosen_learning_rates: list[float]
    cross_fitted: bool
    final: Estimate
    final_maximum: float
    lengths: dict[str, Estimate]
    measures: dict[str, MeasureSummary]
    probes: dict[str, dict[str, dict[str, Estimate | None]]]
    flags: list[str]


class Comparison(TypedDict):
    """A test of the difference a - b of a measure; low and high are None where so few seeds bound nothing.

    The counts of seeds are None where the test is decided, and where none that is looked for would do.
    """

    a: str
    b: str
    measure: str
    expect: Literal["less", "more", "different", "equal"]
    margin: float
    difference: float
    low: float | None
    high: float | None
    p: float
    method: str
    outcome: Literal["holds", "fails", "undecided"]
    seeds_to_decide: int | None
    seeds_to_decide_at_bound: int | None


class LogRankSummary(TypedDict):
    """The unpaired test of two curves of time to solve; z is above 0 where a solves sooner."""

    a: str
    b: str
    z: float
    p: float
    method: str


class Timing(TypedDict):
    """What the clock said, and how busy the machine was, where that is known."""

    seconds: float
    cpu_seconds: float | None
    load: float | None
    cores: int | None
    compile_seconds: float
    seconds_per_step: float
    restricted_mean_seconds: Estimate | None


class Summary(TypedDict):
    """The whole of summary.json, by names of models in the study's order; looks: the seeds at each."""

    schema: int
    study: str
    reference: str
    headline: str
    verdict: str
    floors: dict[str, FloorScore]
    looks: list[int]
    widened_rates: list[float]
    comparisons: list[Comparison]
    log_rank: list[LogRankSummary]
    models: dict[str, ModelSummary]
    timing: dict[str, Timing]
