"""What RisingWave's streaming jobs refuse is refused for both engines, at its place; the rest is let through."""

from __future__ import annotations

from pathlib import Path

import pytest

from millstream.compiler.algebra.operators import Relation
from millstream.compiler.binder.scope import ViewText
from millstream.compiler.incremental.node import HASH
from millstream.compiler.portable.rules import refuse_unportable
from millstream.errors import Refused
from tests.compiler.catalogue import Static
from tests.compiler.golden import Case, each_case, read

GOLDEN = Path(__file__).parent / "portable.golden"
CALLS = Path(__file__).parent / "portable_calls.golden"
PATH = "sql/model.sql"
OTHERS: dict[str, Relation | ViewText] = {
    "raw": Relation(
        "raw", (("id", "bigint", False), ("payload", "jsonb", True), ("note", "text", True)), ("id",)
    ),
    "prices": Relation(
        "prices",
        (("item_id", "text", False), ("shop_id", "text", False), ("price", "double precision", True)),
        ("item_id", "shop_id"),
    ),
    "spending": Relation(
        "spending",
        (("user_id", "text", False), ("item_id", "text", False), ("spent", "double precision", True)),
        ("user_id", "item_id"),
    ),
    "spending_lists": Relation(
        "spending_lists", (("user_id", "text", False), ("spent", "double precision[]", True)), ("user_id",)
    ),
    "arrivals": Relation("arrivals", (("item_id", "text", True),), (HASH,), append_only=True),
    "ranked": ViewText(
        "ranked",
        "select item_id,\n    rank() over (order by price) as place\nfrom items",
        "sql/ranked.sql",
    ),
}

DEFINITIONS = {
    "spending": "select user_id, item_id, sum(price) as spent from events group by user_id, item_id",
    "spending_lists": "select user_id, array_agg(spent order by item_id) as spent from spending group by user_id",
}


class Catalogue(Static):
    """The golden files' catalogue and what is needed here besides."""

    def relation(self, schema: str | None, name: str) -> Relation | ViewText | None:
        return OTHERS.get(name) or super().relation(schema, name)


@each_case(GOLDEN)
def test_the_refusal(case: Case) -> None:
    with pytest.raises(Refused) as caught:
        refuse_unportable(case.given, Catalogue(), PATH, definition=DEFINITIONS.get)
    case.check(str(caught.value))


@each_case(CALLS)
def test_the_refusal_of_an_expression(case: Case) -> None:
    with pytest.raises(Refused) as caught:
        refuse_unportable(case.given, Catalogue(), PATH)
    case.check(str(caught.value))


def test_every_refusal_has_a_place() -> None:
    for case in [*read(GOLDEN), *read(CALLS)]:
        assert case.expected.split()[1].count(":") == 2, case.title


@pytest.mark.parametrize(
    "sql",
    [
        "select item_id from (select item_id, row_number() over (order by price, item_id) as rn from items) as r where rn <= 9",
        "with r as (select item_id, rank() over (order by price) as rn from items) select item_id from r where rn = 1",
        "select item_id from items order by price, item_id limit 5 offset 5",
        "select event_id, sum(price) over w as s from events window w as (partition by user_id)",
        "select payload ->> 'item' as item, count(*) as n from raw group by payload ->> 'item'",
        "select id, payload from raw union all select id, payload from raw",
        "select distinct id, payload ->> 'a' as a from raw",
        "select item_id from items except select item_id from events",
        "select user_id, (select count(*) from events as e where e.user_id = u.user_id) as n from users as u",
        "select item_id from items where price > (select max(price) from items)",
        "select item_id, count(*) as n from events group by item_id having count(*) > (select count(*) from users)",
        "select e.event_id, p.price from events as e join prices for system_time as of proctime() as p"
        " on p.item_id = e.item_id and e.user_id = p.shop_id",
        "select event_id, shop_id from (select event_id, user_id as what, item_id as shop from events) as e"
        " left join prices for system_time as of proctime() on what = item_id and shop = shop_id",
        "select e.event_id, p.price from events as e join prices for system_time as of proctime() as p using (item_id)"
        " where p.shop_id = e.user_id",
        "select e.event_id, p.price from events as e, prices for system_time as of proctime() as p"
        " where p.item_id = e.item_id and e.user_id is not distinct from p.shop_id",
        "select a.item_id, p.price from arrivals as a cross join prices for system_time as of proctime() as p",
        "select i.item_id from items as i, totals as t, (select min(price) as low from events) as l"
        " where i.price < t.top and i.price > l.low",
        "select i.item_id, t.top from items as i, totals as t where i.price = t.top",
        "select i.item_id, v.n from items as i join (values ('a', 1), ('b', 2)) as v (a, n) on v.a = i.item_id",
        "select item_id from items where item_id not in (select item_id from events where item_id is not null)",
        "select u.user_id, l.event_id, l.x from users as u cross join lateral (select e.event_id, e.price * cardinality(u.recent)"
        " as x from events as e where e.user_id = u.user_id order by e.price desc, e.event_id limit 2) as l",
        "select i.item_id, (select count(*) filter (where e.price > i.price) from events as e where e.item_id = i.item_id) as n"
        " from items as i",
        "select i.item_id, array(select e.event_id from events as e where e.item_id = i.item_id order by e.event_id) as a"
        " from items as i",
        "select u.user_id, r.item_id from users as u cross join unnest(u.recent) with ordinality as r(item_id, place)",
        "select user_id, unnest(recent) as a, generate_series(1, 3) as n from users",
        "select r.id, m.key from raw as r, jsonb_each(r.payload) as m",
        "select n from generate_series(1, 3) as n",
        "select i.item_id from items as i, (select max(price) as top from events) as m where i.price > m.top",
        "select event_id, first_value(item_id ignore nulls) over (partition by user_id order by event_id) as f from events",
        "select date_trunc(user_id, occurred_at) as t, date_trunc('hour', occurred_at) as h, extract(epoch from occurred_at) as e"
        " from events",
        "select trim(both ' ' from user_id) as t, substring(user_id from 2 for 3) as s, position('a' in user_id) as p from events",
        "select array_max(recent) as m, array_length(recent) as n, recent[1:2] as r, recent || 'x' as x from users",
        "select coalesce(price, 0) + round(price::numeric, 2) as p, greatest(price, 1, 2.5) as g, to_hex(5) as h from events",
        "select jsonb_build_object('a', id, 'b', note) as o, payload #>> '{a,b}' as p, payload ? 'a' as q from raw",
        "select regexp_match(note, 'a(b)', 'i') as m, regexp_replace(note, 'a', 'b', 'gi') as r, note ~ '(?i)a' as t from raw",
        "select note::varchar as v, id::double precision as d, note::timestamptz as t, array[]::varchar[] as a from raw",
        "select format('%s-%s', id, note) as f, concat_ws(',', note, id, payload) as c, format('%s', variadic array[note]) as v"
        " from raw",
        "select to_char(occurred_at, 'YYYY-MM-DD HH24:MI:SS.US TZH:TZM') as t, to_date(item_id, 'DD Mon YYYY') as d from events",
        "select event_id from events where date_trunc('day', occurred_at) = date_trunc('day', now()) - interval '6 days'",
        "select event_id from events where occurred_at between now() - interval '2 hours' and now()",
        "select event_id, public.blend(price) as b, blend(price) as c from events",
        "select (row(price, 1) is null) as r, row(price, 1) = row(2, price) as s from items",
        "select dear(i.price) as d, r.one from items as i join users as u on u.user_id = i.item_id cross join unnest(u.recent) as r (one)",
        "select approx_percentile(0.5, 0.01) within group (order by price) as p from events",
        "select user_id, stddev(price) as s, bool_and(price > 1) as b, count(distinct item_id) as n from events group by user_id",
        "select user_id, sum(price) is null as none, coalesce(sum(price), 0) / nullif(count(sum(price)) over (partition by user_id), 0)"
        " as share from events group by user_id",
        "select user_id, sum(cast(floor(price * 1000000 + 0.5) as bigint)) as s from events group by user_id order by s, user_id limit 3",
        "select user_id from events group by user_id having sum(cast(price as numeric)) > 3",
        "select user_id, max(spent) as most, count(spent) as n from spending where spent is not null group by user_id",
        "select item_id from items group by item_id having sum(case when price > 3 then 1 else 0 end) > 3",
    ],
)
def test_what_both_engines_keep_is_let_through(sql: str) -> None:
    refuse_unportable(sql, Catalogue(), PATH, definition=DEFINITIONS.get)


def test_an_index_serves_a_process_time_join_like_a_key() -> None:
    sql = (
        "select e.event_id, p.price from events as e join prices for system_time as of proctime() as p"
        " on p.item_id = e.item_id"
    )
    refuse_unportable(sql, Catalogue(), PATH, lambda _, name: [["item_id"]] if name == "prices" else [])
