-- What is trending: scope * is the whole catalogue, any other scope is a category.
with

shown as (

    select
        t.scope,
        x.item_id,
        a.name,
        t.scores[cast(x.slot as integer)] as score,
        x.slot,
        t.version,
        row_number() over (partition by t.scope order by x.slot) as rank
    from {{ ref('feat_trending') }} as t
    cross join unnest(t.item_ids) with ordinality as x (item_id, slot)
    inner join {{ ref('rank_available_items') }} as a on a.item_id = x.item_id

)

select
    scope,
    rank,
    item_id,
    name,
    score,
    'trending' as strategy,
    cast(null as varchar) as reason_item_id,
    {{ reason_text("'trending'", "cast(null as varchar)") }} as reason_text,
    0 as tier,
    now() as computed_at,
    {{ list_identity(["'trending_now'", 'scope', 'version']) }} as rec_id,
    slot,
    'control' as variant,
    cast(null as varchar) as model_version,
    'trending' as source
from shown
