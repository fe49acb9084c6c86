"""Names: of relations in several schemas, in capitals and in quotes, and those that are not to be had."""

from __future__ import annotations

from support.construct import Construct, Group

NAMES = Group(
    "Names",
    "https://docs.risingwave.com/sql/identifiers",
    (
        Construct("capitals without quotes", "SELECT Item_ID AS Id FROM Items", note="small letters"),
        Construct("quoted names", 'select item_id as "Item" from items', note="as they are"),
        Construct(
            "reserved words in quotes",
            'select "order"."user" from (select user_id as "user" from events) as "order"',
        ),
        Construct("reserved words", "select limit as l from items", "MS006", "refused"),
        Construct(
            "columns with their schema",
            "select public.items.item_id from public.items where exists (select 1 from clicks where clicks.item_id = public.items.item_id)",
        ),
        Construct(
            "a schema that FROM does not name",
            "select public.items.item_id from items",
        ),
        Construct(
            "the schema of another relation", "select shop.items.item_id from items", "MS003", "refused"
        ),
        Construct(
            "subqueries without an alias",
            "select a, b from (select count(*) as a from clicks), (select max(amount) as b from events)",
        ),
        Construct(
            "fewer names than columns",
            "with c (id) as (select item_id, price from items) select id, price from c",
        ),
        Construct(
            "more names than columns",
            "with c (id, price, rest) as (select item_id, price from items) select id from c",
            "MS025",
            "refused",
        ),
        Construct(
            "one alias twice",
            "select i.item_id from items as i join clicks as i on i.item_id = i.item_id",
            "MS005",
            "refused",
        ),
        Construct(
            "EXISTS without a list of columns",
            "select item_id from items where exists (select from clicks where clicks.item_id = items.item_id)",
        ),
        Construct("a model without columns", "select from items", "MS009", "refused"),
        Construct(
            "names of more than 63 bytes",
            "select item_id as the_identifier_of_the_item_as_the_warehouse_has_it_in_its_catalogue from items",
            "MS007",
            "incremental",
        ),
        Construct("columns of the system", "select item_id as ctid from items", "MS008", "refused"),
        Construct("names that end in $", "select item_id as item$ from items", "MS008", "incremental"),
        Construct("letters outside ASCII without quotes", "select price as größe from items"),
    ),
)
