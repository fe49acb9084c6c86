"""An engine on a fresh database, and watchers that end with the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.databases import Databases
from tests.engine.conftest import on_event_clock  # noqa: F401 - a fixture
from tests.engine.engine import Engine
from tests.feeds.tail import Tail

ITEMS = "create table items (item_id varchar primary key, category varchar, price integer)"
VISITS = "create table visits (user_id varchar, page varchar)"
CHEAP = "create materialized view cheap as select item_id, category, price from items where price < 100"
PAGES = "create materialized view pages as select page from visits"
COUNTS = """create materialized view counts as
select category, count(*) as items, sum(price) as total from items group by category having count(*) > 1"""
DEAREST = """create materialized view dearest as
select category, item_id, price from (
    select category, item_id, price, row_number() over (partition by category order by price desc, item_id) as place
    from items
) as ranked where place <= 2"""
VIEWS = ("cheap", "counts", "dearest", "pages")


@pytest.fixture
def engine(databases: Databases, on_event_clock: str) -> Iterator[Engine]:  # noqa: F811
    """An engine with two sources and a view of every rule, nothing in them."""
    name = databases.create(template=on_event_clock)
    with Engine(databases.dsn(name)) as made:
        made.deploy_all(ITEMS, VISITS, CHEAP, COUNTS, DEAREST, PAGES)
        made.tick()
        yield made
    databases.drop(name)


@pytest.fixture
def tail(engine: Engine) -> Iterator[Callable[..., Tail]]:
    """`tail("cheap", snapshot=True)` starts a watcher and returns when it is registered."""
    with ExitStack() as stack:

        def start(model: str, **options: Any) -> Tail:
            return stack.enter_context(Tail(engine.dsn, model, **options))

        yield start
