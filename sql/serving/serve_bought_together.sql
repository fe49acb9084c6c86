-- Items that others bought together with an item, best first.
with

shown as (

    select
        n.item_id as shown_with_item_id,
        x.item_id,
        a.name,
        n.scores[cast(x.slot as integer)] as score,
        x.slot,
        n.version,
        row_number() over (partition by n.item_id order by x.slot) as rank
    from {{ ref('i2i_bought_together') }} as n
    cross join unnest(n.neighbour_ids) with ordinality as x (item_id, slot)
    inner join {{ ref('rank_available_items') }} as a on a.item_id = x.item_id

)

select
    s.shown_with_item_id,
    s.rank,
    s.item_id,
    s.name,
    s.score,
    'bought_together' as strategy,
    s.shown_with_item_id as reason_item_id,
    {{ reason_text("'bought_together'", 'r.name') }} as reason_text,
    2 as tier,
    now() as computed_at,
    {{ list_identity(["'bought_together'", 's.shown_with_item_id', 's.version']) }}
        as rec_id,
    s.slot,
    'control' as variant,
    cast(null as varchar) as model_version,
    'item' as source
from shown as s
left join {{ ref('items') }} as r on r.item_id = s.shown_with_item_id
