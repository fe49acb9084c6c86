-- Items that others bought together with an item, best first.
with

listed as (

    select
        n.item_id as shown_with_item_id,
        x.item_id,
        n.scores[cast(x.slot as integer)] as score,
        cast(x.slot as integer) as slot,
        n.version
    from {{ ref('i2i_bought_together') }} as n
    cross join unnest(n.neighbour_ids) with ordinality as x (item_id, slot)

),

shown as (

    select
        l.shown_with_item_id,
        l.item_id,
        a.name,
        a.category,
        a.brand,
        a.price,
        a.image_url,
        l.score,
        l.slot,
        l.version,
        row_number() over (partition by l.shown_with_item_id order by l.slot) as rank
    from listed as l
    inner join {{ ref('rank_available_items') }} as a on a.item_id = l.item_id

)

select
    s.shown_with_item_id,
    cast(s.rank as integer) as rank,
    s.item_id,
    s.name,
    s.category,
    s.brand,
    s.price,
    s.image_url,
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
