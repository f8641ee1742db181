"""Which asset goes to which part."""

from decimal import Decimal

import pytest

from exports import splits


def assets(count: int) -> list[tuple[int, str]]:
    return [(n + 1, f"asset-{n}") for n in range(count)]


def sizes(count: int, ratio: str, seed: int = 7) -> tuple[int, int]:
    train, validation = splits.partition(assets(count), ratio=Decimal(ratio), seed=seed)
    assert (train.name, validation.name) == ("train", "validation")
    assert sorted([*train.ids, *validation.ids]) == [pk for pk, _ in assets(count)]
    return len(train.ids), len(validation.ids)


@pytest.mark.parametrize(
    ("count", "ratio", "expected"),
    [
        (10, "0.2", (8, 2)),
        (364, "0.2", (291, 73)),
        (1, "0", (1, 0)),
        (1, "1", (0, 1)),
        (1, "0.5", (1, 0)),
        (2, "0", (2, 0)),
        (2, "1", (0, 2)),
        (2, "0.5", (1, 1)),
        (2, "0.01", (1, 1)),
        (2, "0.99", (1, 1)),
        (3, "0", (3, 0)),
        (3, "1", (0, 3)),
        (3, "0.5", (1, 2)),
        (100, "0", (100, 0)),
        (100, "1", (0, 100)),
        (100, "0.5", (50, 50)),
        (100, "0.001", (99, 1)),
        (0, "0.5", (0, 0)),
    ],
)
def test_part_sizes(count: int, ratio: str, expected: tuple[int, int]) -> None:
    assert sizes(count, ratio) == expected


def test_one_seed_one_split_whatever_the_row_ids() -> None:
    def chosen(offset: int) -> set[str]:
        rows = [(pk + offset, uid) for pk, uid in assets(500)]
        _, validation = splits.partition(rows, ratio=Decimal("0.3"), seed=11)
        names = dict(rows)
        return {names[pk] for pk in validation.ids}

    assert chosen(0) == chosen(9_000_000)


def test_two_seeds_two_splits() -> None:
    def chosen(seed: int) -> list[int]:
        return list(splits.partition(assets(100), ratio=Decimal("0.3"), seed=seed)[1].ids)

    assert chosen(1) != chosen(2)


def test_a_split_draws_from_the_whole_dataset() -> None:
    """A fair draw of 1,000 of 10,000 leaves no tenth of the dataset over- or underrepresented."""
    _, validation = splits.partition(assets(10_000), ratio=Decimal("0.1"), seed=3)
    tenths = [sum(1 for pk in validation.ids if (pk - 1) // 1000 == tenth) for tenth in range(10)]
    assert all(50 < count < 160 for count in tenths), tenths


def test_a_growing_dataset_keeps_most_of_its_split() -> None:
    before = set(splits.partition(assets(1000), ratio=Decimal("0.2"), seed=5)[1].ids)
    after = set(splits.partition(assets(1010), ratio=Decimal("0.2"), seed=5)[1].ids)
    assert len(before & after) >= 190


def test_ids_stay_in_order() -> None:
    for part in splits.partition(assets(1000), ratio=Decimal("0.4"), seed=5):
        assert list(part.ids) == sorted(part.ids)


def test_equal_ranks_are_dealt_in_order() -> None:
    """Two assets of one public id cannot be, but the sizes must hold even so."""
    twins = [(n, "the same") for n in range(10)]
    train, validation = splits.partition(twins, ratio=Decimal("0.3"), seed=1)
    assert (list(validation.ids), list(train.ids)) == ([0, 1, 2], [3, 4, 5, 6, 7, 8, 9])
