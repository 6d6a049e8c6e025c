"""The tables of a sweep's points as one: which point, and where on each axis it lies, stand in every row."""

from collections.abc import Mapping

from attn_jax.lab.outcome.rows import Row


def at_points(sweep: str, axes: Mapping[str, Row], tables: Mapping[str, list[Row]]) -> list[Row]:
    """The rows of all points, one point after the other.

    Columns: study, which is the sweep's name; point; each axis by its path; then those of a study's rows, None where
    another point alone has one. An axis that is called like one of these, `task`, is told by it.

    Args:
      sweep: its name.
      axes: the value of each axis at each point.
      tables: the rows of each point.

    >>> at_points("s", {"d_model=8": {"models.m.d_model": 8}}, {"d_model=8": [{"study": "s-d_model-8", "seed": 0}]})
    [{'study': 's', 'point': 'd_model=8', 'models.m.d_model': 8, 'seed': 0}]
    """
    columns = dict.fromkeys(column for rows in tables.values() for row in rows[:1] for column in row)
    return [
        {"study": sweep, "point": point}
        | axes[point]
        | {column: row.get(column) for column in columns if column != "study"}
        for point, rows in tables.items()
        for row in rows
    ]
