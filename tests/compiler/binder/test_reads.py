"""How a plain view is read by its columns on RisingWave: what each stored relation is reached by, or the refusal.

What is expected follows RisingWave's planner tests: batch_index_join, range_scan, predicate_pushdown, over_window_function.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from millstream.compiler.binder.scope import ViewText
from millstream.compiler.portable.keyed import refuse_scans
from millstream.errors import Refused
from tests.compiler.binder.test_portable import Catalogue
from tests.compiler.golden import Case, each_case

INDEXES = {"clicks": [["user_id", "item_id"]]}
VIEWS = {
    "priced_events": ViewText(
        "priced_events",
        "select e.event_id, e.user_id, i.item_id\nfrom events as e\njoin items as i on i.item_id = e.item_id",
        "sql/priced_events.sql",
    ),
    "dated": ViewText(
        "dated", "select event_id, now() as read_at from events order by event_id", "sql/dated.sql"
    ),
}


class Known(Catalogue):
    """The golden files' catalogue with views that are read."""

    def relation(self, schema: str | None, name: str):  # type: ignore[no-untyped-def]
        return VIEWS.get(name) or super().relation(schema, name)


@each_case(Path(__file__).parent / "reads.golden")
def test_how_a_view_is_read(case: Case) -> None:
    """The first line of a case names the columns, after `-- by `."""
    by, _, sql = case.given.partition("\n")
    columns = by.removeprefix("-- by ").split()
    try:
        found = refuse_scans(
            case.given, Known(), "sql/model.sql", lambda _, name: INDEXES.get(name, []), columns
        )
    except Refused as refused:
        case.check(str(refused))
    else:
        assert sql
        case.check("\n".join(f"{name}: {reach.how} by {', '.join(reach.path)}" for name, reach in found))


def test_a_refusal_names_the_file_of_the_view_that_scans() -> None:
    sql = "select u.user_id from users as u where not exists (select 1 from priced_events as p where p.user_id = u.user_id)"
    with pytest.raises(Refused) as caught:
        refuse_scans(sql, Known(), "sql/model.sql", lambda *_: [], ["user_id"])
    assert (caught.value.diagnostic.path, caught.value.diagnostic.line) == ("sql/priced_events.sql", 2)
