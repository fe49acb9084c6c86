"""Joins, set operations and subqueries."""

from __future__ import annotations

from support.construct import Construct, Group

JOINS = Group(
    "Joins",
    "https://docs.risingwave.com/processing/sql/joins",
    (
        Construct(
            "inner join on an equality",
            "select e.event_id, i.category from events as e join items as i on i.item_id = e.item_id",
        ),
        Construct(
            "with more than an equality",
            "select e.event_id from events as e join items as i on i.item_id = e.item_id and i.price < e.amount",
        ),
        Construct(
            "comma and WHERE",
            "select e.event_id, i.price from events as e, items as i where i.item_id = e.item_id",
        ),
        Construct(
            "comma list that meets through a third relation",
            "select e.event_id, c.seconds from events as e, clicks as c, items as i where e.item_id = i.item_id and c.item_id = i.item_id and e.amount > 1",
        ),
        Construct(
            "equality in every branch of an OR",
            "select e.event_id from events as e, items as i where (e.item_id = i.item_id and e.amount > 2) or (e.item_id = i.item_id and i.price > 4)",
        ),
        Construct(
            "IS NOT DISTINCT FROM",
            "select e.event_id, c.seconds from events as e join clicks as c on e.user_id is not distinct from c.user_id",
            note="NULLs meet",
        ),
        Construct(
            "equality of expressions",
            "select e.event_id, i.item_id from events as e join items as i on upper(e.note) = upper(i.category)",
        ),
        Construct(
            "USING",
            "select event_id, category from events join items using (item_id)",
            postgres="select event_id, category from events join items using (item_id)",
        ),
        Construct(
            "self join",
            "select a.event_id, b.event_id as other_id from events as a join events as b on b.user_id = a.user_id and b.event_id > a.event_id",
        ),
        Construct(
            "three relations",
            "select e.event_id, c.seconds from events as e join items as i on i.item_id = e.item_id join clicks as c on c.item_id = i.item_id",
        ),
        Construct(
            "LEFT JOIN",
            "select e.event_id, i.category from events as e left join items as i on i.item_id = e.item_id",
        ),
        Construct(
            "RIGHT JOIN",
            "select e.event_id, i.item_id from events as e right join items as i on i.item_id = e.item_id",
        ),
        Construct(
            "FULL JOIN",
            "select c.seconds, i.category from clicks as c full join items as i on i.item_id = c.item_id",
        ),
        Construct(
            "cross join with one row",
            "select i.item_id, m.top from items as i cross join (select max(amount) as top from events) as m",
        ),
        Construct(
            "dynamic filter",
            "select i.item_id from items as i, (select avg(amount) as middle from events) as m where i.price > m.middle",
            note="one side has one row",
        ),
        Construct(
            "ASOF JOIN",
            "select c.item_id, c.seconds, e.event_id from clicks as c asof left join events as e on e.user_id = c.user_id and e.amount <= c.seconds",
            postgres="select c.item_id, c.seconds, l.event_id from clicks as c left join lateral (select e.event_id from events as e where e.user_id = c.user_id and e.amount <= c.seconds order by e.amount desc, e.event_id limit 1) as l on true",
            note="rows that tie are chosen by their key",
        ),
        Construct(
            "LATERAL subquery",
            "select i.item_id, l.n from items as i cross join lateral (select count(*) as n from events as e where e.item_id = i.item_id) as l",
        ),
        Construct(
            "LATERAL with a column of both sides",
            "select i.item_id, l.event_id, l.share from items as i cross join lateral (select e.event_id, e.amount * 10 + i.price as share from events as e where e.item_id = i.item_id order by e.amount desc, e.event_id limit 2) as l",
        ),
        Construct(
            "LATERAL VALUES",
            "select i.item_id, v.word from items as i cross join lateral (values (i.category), (i.item_id)) as v (word)",
        ),
        Construct(
            "LATERAL top-N",
            "select i.item_id, l.event_id from items as i left join lateral (select e.event_id from events as e where e.item_id = i.item_id order by e.amount desc, e.event_id limit 2) as l on true",
        ),
        Construct(
            "process-time join",
            "select e.event_id, i.category from events as e join items for system_time as of proctime() as i on i.item_id = e.item_id",
            postgres="select e.event_id, i.category from events as e join items as i on i.item_id = e.item_id",
            note="the right side as of the previous tick; PostgreSQL answers alike while it does not change",
        ),
        Construct(
            "process-time join, columns without an alias",
            "select event_id, category from (select event_id, item_id as what from events) as e join items for system_time as of proctime() on what = item_id",
            postgres="select event_id, category from events join items using (item_id)",
            note="as above",
        ),
        Construct(
            "process-time left join",
            "select e.event_id, i.category from events as e left join items for system_time as of proctime() as i on i.item_id = e.item_id",
            postgres="select e.event_id, i.category from events as e left join items as i on i.item_id = e.item_id",
            note="as above",
        ),
        Construct(
            "process-time join of a table without a key",
            "select c.seconds, i.category from clicks as c left join items for system_time as of proctime() as i on i.item_id = c.item_id",
            postgres="select c.seconds, i.category from clicks as c left join items as i on i.item_id = c.item_id",
            note="of equal rows that go, those that were looked up first go first",
        ),
        Construct(
            "process-time join by something else than the key",
            "select e.event_id, i.item_id from events as e join items for system_time as of proctime() as i on i.category = e.note",
            postgres="select e.event_id, i.item_id from events as e join items as i on i.category = e.note",
        ),
        Construct(
            "process-time join on the right of a RIGHT JOIN",
            "select e.event_id from events as e right join items for system_time as of proctime() as i on i.item_id = e.item_id",
            "MS016",
            "refused",
        ),
        Construct(
            "process-time join with a CTE",
            "with cheap as (select item_id from items) select e.event_id from events as e join cheap for system_time as of proctime() as c on c.item_id = e.item_id",
            "MS016",
            "refused",
        ),
        Construct(
            "join without an equality",
            "select e.event_id, i.item_id from events as e join items as i on i.price < e.amount",
            "MS015",
            "refused: nested-loop join",
        ),
        Construct("NATURAL JOIN", "select event_id from events natural join items", "MS040", "incremental"),
    ),
)

SETS = Group(
    "Set operations",
    "https://docs.risingwave.com/sql/query-syntax/set-operations",
    (
        Construct(
            "UNION ALL", "select item_id, price from items union all select item_id, amount from events"
        ),
        Construct(
            "CORRESPONDING",
            "select item_id, price from items union all corresponding by (price, item_id) select note, price, item_id from (select note, amount as price, item_id from events) as e",
            postgres="select price, item_id from items union all select amount as price, item_id from events",
        ),
        Construct("UNION", "select item_id from items union select item_id from events"),
        Construct("INTERSECT", "select item_id from items intersect select item_id from events"),
        Construct("EXCEPT", "select item_id from items except select item_id from clicks"),
        Construct("INTERSECT ALL", "select item_id from events intersect all select item_id from clicks"),
        Construct("EXCEPT ALL", "select item_id from clicks except all select item_id from events"),
        Construct(
            "UNION BY NAME",
            "select item_id, price from items union all by name select amount as price, item_id from events",
            "MS010",
            "refused",
        ),
        Construct(
            "branches of unequal width",
            "select item_id, price from items union all select item_id from events",
            "MS022",
            "refused",
        ),
    ),
)
