-- What is popular of all time: segment * is everybody.
with

listed as (

    select
        t.segment,
        x.item_id,
        t.scores[cast(x.slot as integer)] as score,
        cast(x.slot as integer) as slot,
        t.version
    from {{ ref('feat_segment_popular') }} as t
    cross join unnest(t.item_ids) with ordinality as x (item_id, slot)

),

shown as (

    select
        l.segment,
        l.item_id,
        a.name,
        a.category,
        a.brand,
        a.price,
        a.image_url,
        l.score,
        l.slot,
        l.version,
        row_number() over (partition by l.segment order by l.slot) as rank
    from listed as l
    inner join {{ ref('rank_available_items') }} as a on a.item_id = l.item_id

)

select
    segment,
    cast(rank as integer) as rank,
    item_id,
    name,
    category,
    brand,
    price,
    image_url,
    score,
    'popularity' as strategy,
    cast(null as varchar) as reason_item_id,
    {{ reason_text("'popularity'", "cast(null as varchar)") }} as reason_text,
    0 as tier,
    now() as computed_at,
    {{ list_identity(["'popular'", 'segment', 'version']) }} as rec_id,
    slot,
    'control' as variant,
    cast(null as varchar) as model_version,
    case segment when '*' then 'popular' else 'segment_popular' end as source
from shown
