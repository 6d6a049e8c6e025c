"""How wide blocks are, and how many of their runs a device trains at a time."""

_WIDEST = 12  # runs a block on a CPU; wider blocks fall out of the cache
_GROUPS = {"cpu": (2, 3, 1), "tpu": (4, 3, 2, 1)}  # runs that a device trains at a time, the first that divides
_TPU_GROUP = max(_GROUPS["tpu"])


def block_width(num_runs: int, num_models: int, num_workers: int, *, widest: int = _WIDEST) -> int:
    """Runs a block: enough blocks for all workers, none wider than the cache likes, and as few idle places as can be.

    >>> block_width(24, 3, 2), block_width(24, 3, 16), block_width(16, 1, 1), block_width(2, 1, 8)
    (12, 5, 8, 1)
    """
    most = max(1, min(widest, -(-num_runs * num_models // num_workers), num_runs))
    return -(-num_runs // -(-num_runs // most))


def device_share(num_runs: int, platform: str) -> int:
    """Places for so many runs on one device: on a TPU so many that groups of up to 4 divide them; else the runs'.

    25 runs in no groups would train one at a time, 28 in 7 groups of 4; 9 need no more, in groups of 3.

    >>> [device_share(runs, "tpu") for runs in (3, 5, 9, 10, 24, 25)], device_share(25, "gpu")
    ([3, 6, 9, 12, 24, 28], 25)
    """
    if platform != "tpu":
        return num_runs
    groups = -(-num_runs // _TPU_GROUP)
    return groups * -(-num_runs // groups)


def group_size(width: int, platform: str, *, by_length: bool = False) -> int:
    """Runs that a device trains at a time.

    A CPU takes so many that a step's arrays stay in the cache: 2, else 3 or 1. A TPU's compiler unrolls products over
    the runs, so that it gets no more than 4 (docs/accelerators.md has its minutes). A GPU takes all. Where short steps
    have a program of their own, `by_length`, a CPU takes one: of several the longest batch would decide.

    >>> group_size(12, "cpu"), group_size(9, "cpu"), group_size(5, "cpu"), group_size(12, "cpu", by_length=True)
    (2, 3, 1, 1)
    >>> group_size(24, "tpu"), group_size(6, "tpu"), group_size(24, "gpu")
    (4, 3, 24)
    """
    if platform not in _GROUPS:
        return width
    if by_length and platform == "cpu":
        return 1
    return next(size for size in _GROUPS[platform] if width % size == 0)
