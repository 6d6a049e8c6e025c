"""What looking again costs: a study that grows until it decides something would decide too often.

Nobody says beforehand how often a study will grow, so its level is spent over looks without end: 19 parts of 20 at the
first, which most studies have alone, and half, a sixth, a twelfth ... of the rest at the second, third, fourth. So p is
multiplied by 20 / 19 at the first look, and by 20 k (k - 1) at look k. What is spent sums to less than the level, and
whoever stops at the first look that decides is wrong with a probability below it, however long that takes; p times the
number of looks so far would not keep it. Eight seeds at the first look still decide six tests.
"""

_KEPT = 20  # one part of so many is for all looks after the first


def look_factor(look: int) -> float:
    """What p is multiplied by at the k-th look of a study that may grow.

    >>> look_factor(2), look_factor(3), round(look_factor(1), 4)
    (40, 120, 1.0526)
    """
    return _KEPT / (_KEPT - 1) if look == 1 else _KEPT * look * (look - 1)


def look_in_words(looks: int) -> str:
    """At which look a study was decided; nothing of the only one.

    >>> look_in_words(1), look_in_words(3)
    ('', ', decided at look 3')
    """
    return f", decided at look {looks}" if looks > 1 else ""
