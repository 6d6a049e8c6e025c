"""How often the values of a random map are read, when keys are drawn with replacement: exact sums for recall's floors.

r pairs are read, keys uniform among K, the value of each key uniform among V. A value's box holds m seen keys that
were drawn c times in all, in S(c, m) m! ways (S: Stirling numbers of the second kind), so that with z for seen keys
and x for draws the exponential generating function of a box is sum_{m, c} S(c, m) z^m x^c / c!, and boxes multiply.
All terms are positive: sums are right to rounding.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class RecallLaw:
    """Expectations over the pairs read, as arrays over r = 0 .. num_pairs; what is asked is a seen key.

    Each comes twice: summed over the seen keys with weight 1 / K, as when a uniform key is asked for that was seen, and
    with weight 1 / (number of seen keys), as when one of the seen is asked for. At r = 0 all are 0.

    Args:
      num_keys: K.
      num_values: V.
      num_pairs: R.
    """

    num_keys: int
    num_values: int
    num_pairs: int

    def seen_share(self) -> np.ndarray:
        """The probability that a uniform key is among r drawn, 1 - (1 - 1 / K)^r.

        >>> RecallLaw(4, 2, 2).seen_share().tolist()
        [0.0, 0.25, 0.4375]
        """
        return 1 - (1 - 1 / self.num_keys) ** np.arange(self.num_pairs + 1)

    def context_share(self) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
        """Of the right value, read c times: (E[c / r] twice, E[-ln(c / r)] twice).

        >>> RecallLaw(4, 2, 1).context_share()[0][0].tolist()
        [0.0, 0.25]
        """
        box, size = self._box, self.num_pairs + 1
        others = box * float(self.num_values - 1) ** np.arange(len(box))[:, None]
        weighted = box * np.arange(len(box))[:, None]
        shares, losses = np.zeros((2, len(box), size)), np.zeros((2, len(box), size))
        for r in range(1, size):
            for m in range(1, len(box)):
                # [s - m, c - 1]: m seen keys hold the right value and were drawn c times, s - m others r - c times
                joint = others[: len(box) - m, r - 1 :: -1] * weighted[m, 1 : r + 1]
                share = np.arange(1, r + 1) / r
                shares[0, m:, r] += joint @ share
                losses[0, m:, r] -= joint @ np.log(share)
        return self._expect(shares[0]), self._expect(losses[0])

    def commonest_share(self) -> tuple[np.ndarray, np.ndarray]:
        """The probability, twice, that the right value is the one read most often; u that tie count 1 / u.

        >>> RecallLaw(4, 2, 1).commonest_share()[0].tolist()
        [0.0, 0.25]
        """
        box, others = self._box, self.num_values - 1
        total = np.zeros_like(box)
        for c in range(1, self.num_pairs + 1):
            below = np.where(np.arange(self.num_pairs + 1) < c, box, 0)
            powers = [np.zeros_like(box)]
            powers[0][0, 0] = 1
            for _ in range(others):
                powers.append(_product(powers[-1], below))
            right = box[:, c] * np.arange(len(box))
            for tied in range(min(others, self.num_pairs // c - 1) + 1):
                total += math.comb(others, tied) / (tied + 1) * _raise(powers[others - tied], right, c * (tied + 1))
                right = np.convolve(right, box[:, c])[: len(box)]
        return self._expect(total)

    @cached_property
    def _box(self) -> np.ndarray:
        """[K + 1, R + 1]: S(c, m) (R / K)^c / c!; the power keeps large R in range, `_expect` takes it back."""
        box = np.zeros((min(self.num_keys, self.num_pairs) + 1, self.num_pairs + 1))
        box[0, 0] = 1
        seen = np.arange(1, len(box))
        for c in range(1, self.num_pairs + 1):
            box[1:, c] = (seen * box[1:, c - 1] + box[:-1, c - 1]) * self.num_pairs / self.num_keys / c
        return box

    def _expect(self, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients [s, r], s seen keys, of one value -> expectations over all values, twice."""
        seen, read = np.arange(len(sums)), np.arange(sums.shape[1])
        ways = np.cumprod(np.concatenate([[1.0], (self.num_keys - seen[:-1]) / self.num_values]))
        scale = np.exp([math.lgamma(r + 1) - r * math.log(self.num_pairs) for r in read]) * self.num_values
        return ways / self.num_keys @ sums * scale, ways / np.maximum(seen, 1) @ sums * scale


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The product of two polynomials [z, x], cut off where they are."""
    product = np.zeros_like(a)
    for i, row in enumerate(a):
        if row.any():
            for j in range(len(b) - i):
                product[i + j] += np.convolve(row, b[j])[: a.shape[1]]
    return product


def _raise(a: np.ndarray, by: np.ndarray, shift: int) -> np.ndarray:
    """a [z, x] times the polynomial `by` [z], times x^shift, cut off."""
    raised = np.zeros_like(a)
    for i, factor in enumerate(by):
        raised[i:, shift:] += factor * a[: len(a) - i, : a.shape[1] - shift]
    return raised
