"""Counts of letter shapes: added up for all who write, and bounded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ledger import store_shapes
from ledger.store import Store
from ledger.store_shapes import SHAPES_MAX, ShapeRow, add_shapes, read_shapes

ROW = ShapeRow("aozora", "0" * 12, "ja", 3, 2, 1, "2026-03-02", "2026-03-04")


def read(store: Store, company: str | None = None) -> list[ShapeRow]:
    """Return what is on record."""
    with store.read() as transaction:
        return read_shapes(transaction, company)


def test_counts_add_up(tmp_path: Path) -> None:
    """Two stores on one file: numbers are sums, days the first and the last."""
    url = f"sqlite:///{tmp_path / 'a.db'}"
    one, other = Store(url), Store(url)
    add_shapes(one, [ROW])
    add_shapes(other, [replace(ROW, seen=2, first_day="2026-03-01", last_day="2026-03-03")])
    add_shapes(one, [replace(ROW, company="other")])
    assert read(one, "aozora") == [
        replace(ROW, seen=5, rejections=4, unsure=2, first_day="2026-03-01")
    ]
    assert {row.company for row in read(other)} == {"aozora", "other"}
    one.close()
    other.close()


def test_nothing_to_add_touches_no_store(tmp_path: Path) -> None:
    """A relay that has counted nothing writes nothing."""
    store = Store(f"sqlite:///{tmp_path / 'a.db'}")
    add_shapes(store, [])
    assert not store.path.exists()


def test_letters_seen_once_make_room(tmp_path: Path) -> None:
    """Beyond the limit of a company those seen once and longest ago go; templates stay."""
    store = Store(f"sqlite:///{tmp_path / 'a.db'}")
    template = replace(ROW, shape="template", seen=9, last_day="2020-01-01")
    letters = [
        replace(ROW, shape=f"{number:012x}", seen=1, last_day=f"2026-03-{number % 28 + 1:02}")
        for number in range(SHAPES_MAX + 9)
    ]
    add_shapes(store, [template, replace(ROW, company="other"), *letters])
    kept = read(store, "aozora")
    assert len(kept) == store_shapes.SHAPES_MAX
    assert kept[0] == template
    gone = {row.shape for row in letters} - {row.shape for row in kept}
    assert {row.last_day for row in letters if row.shape in gone} == {"2026-03-01"}
    assert len(read(store, "other")) == 1
    store.close()
