"""The groups against the axioms, and against what is known of each."""

import itertools

import numpy as np
import pytest

from attn_jax.tasks.laws.groups import division_table, permutations, product_table

ORDERS = {"z60": 60, "a4xz5": 60, "a5": 60, "s3": 6, "s5": 120}


def element_order(table, element):
    power, count = element, 1
    while power:
        power, count = table[power, element], count + 1
    return count


def commutators(table):
    """The subgroup that all g^-1 h^-1 g h generate."""
    inverse = (table == 0).argmax(axis=1)
    n = range(len(table))
    found = {int(table[table[inverse[g], inverse[h]], table[g, h]]) for g in n for h in n}
    while len(more := found | {int(table[a, b]) for a in found for b in found}) > len(found):
        found = more
    return found


@pytest.mark.parametrize("group", ORDERS)
def test_group_axioms(group):
    table = product_table(group)
    order = ORDERS[group]
    everything = np.arange(order)
    assert table.shape == (order, order)
    assert table.dtype == np.int32
    assert (table[0] == everything).all()
    assert (table[:, 0] == everything).all()
    assert (np.sort(table, axis=0) == everything[:, None]).all()  # every element has one inverse on each side
    assert (np.sort(table, axis=1) == everything).all()
    assert (table[table] == table[:, table]).all()  # (a b) c = a (b c): all triples


@pytest.mark.parametrize("group", ORDERS)
def test_products_move_the_first_factor_first(group):
    elements, table = permutations(group).tolist(), product_table(group)
    assert elements == sorted(elements)
    assert elements[0] == list(range(len(elements[0])))
    for g, h in itertools.product(range(0, len(elements), 3), range(0, len(elements), 2)):
        assert elements[table[g, h]] == [elements[h][elements[g][i]] for i in range(len(elements[0]))]


@pytest.mark.parametrize("group", ORDERS)
def test_division_undoes_the_product(group):
    table, divide = product_table(group), division_table(group)
    everything = np.arange(len(table))
    assert (divide[everything[:, None], table] == everything).all()


def test_each_group_is_the_one_it_is_called():
    tables = {group: product_table(group) for group in ORDERS}
    orders = {group: sorted(element_order(table, g) for g in range(len(table))) for group, table in tables.items()}
    assert max(orders["z60"]) == 60
    assert (tables["z60"] == np.add.outer(np.arange(60), np.arange(60)) % 60).all()
    count = {group: {k: found.count(k) for k in set(found)} for group, found in orders.items()}
    assert count["a5"] == {1: 1, 2: 15, 3: 20, 5: 24}
    assert count["a4xz5"] == {1: 1, 2: 3, 3: 8, 5: 4, 10: 12, 15: 32}
    assert count["s3"] == {1: 1, 2: 3, 3: 2}
    assert count["s5"] == {1: 1, 2: 25, 3: 20, 4: 30, 5: 24, 6: 20}
    # Abelian, solvable, perfect: the reason for the three groups of 60.
    assert {group: len(commutators(table)) for group, table in tables.items()} == {
        "z60": 1,
        "a4xz5": 4,
        "a5": 60,
        "s3": 3,
        "s5": 60,
    }


def test_direct_product_is_numbered_by_its_factors():
    table = product_table("a4xz5")
    element = np.arange(60)
    assert (table[:, :] % 5 == (element[:, None] % 5 + element % 5) % 5).all()
    assert (table // 5 == table[5 * (element[:, None] // 5), 5 * (element // 5)] // 5).all()


def test_even_permutations_only():
    for group, n in (("a5", 5),):
        signs = [
            (-1) ** sum(p[i] > p[j] for i, j in itertools.combinations(range(n), 2))
            for p in permutations(group).tolist()
        ]
        assert set(signs) == {1}


def test_tables_are_shared_and_locked():
    assert product_table("s3") is product_table("s3")
    for table in (permutations("s3"), product_table("s3"), division_table("s3")):
        with pytest.raises(ValueError, match="read-only"):
            table[0, 0] = 1


def test_unknown_group_is_named():
    with pytest.raises(ValueError, match="group: got 's4', wanted one of z60, a4xz5, a5, s3, s5"):
        permutations("s4")
