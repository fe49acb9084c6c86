-- What is popular of all time: segment * is everybody.
with

shown as (

    select
        t.segment,
        x.item_id,
        a.name,
        t.scores[cast(x.slot as integer)] as score,
        x.slot,
        t.version,
        row_number() over (partition by t.segment order by x.slot) as rank
    from {{ ref('feat_segment_popular') }} as t
    cross join unnest(t.item_ids) with ordinality as x (item_id, slot)
    inner join {{ ref('rank_available_items') }} as a on a.item_id = x.item_id

)

select
    segment,
    rank,
    item_id,
    name,
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
