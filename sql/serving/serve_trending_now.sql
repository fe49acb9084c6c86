-- What is trending: scope * is the whole catalogue, any other scope is a category.
with

listed as (

    select
        t.scope,
        x.item_id,
        t.scores[cast(x.slot as integer)] as score,
        cast(x.slot as integer) as slot,
        t.version
    from {{ ref('feat_trending') }} as t
    cross join unnest(t.item_ids) with ordinality as x (item_id, slot)

),

shown as (

    select
        l.scope,
        l.item_id,
        a.name,
        a.category,
        a.brand,
        a.price,
        a.image_url,
        l.score,
        l.slot,
        l.version,
        row_number() over (partition by l.scope order by l.slot) as rank
    from listed as l
    inner join {{ ref('rank_available_items') }} as a on a.item_id = l.item_id

)

select
    scope,
    cast(rank as integer) as rank,
    item_id,
    name,
    category,
    brand,
    price,
    image_url,
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
