-- What is popular in the segment of a person: the tier below the personal list. It starts from
-- the person, so that one read by key reaches it.
with

listed as (

    select
        u.user_id,
        x.item_id,
        t.scores[cast(x.slot as integer)] as score,
        cast(x.slot as integer) as slot,
        t.segment,
        t.version
    from {{ ref('users') }} as u
    inner join {{ ref('feat_segment_popular') }} as t on t.segment = u.segment
    cross join unnest(t.item_ids) with ordinality as x (item_id, slot)
    where u.segment <> '*'

),

shown as (

    select
        l.user_id,
        l.item_id,
        a.name,
        a.category,
        a.brand,
        a.price,
        a.image_url,
        l.score,
        l.slot,
        l.segment,
        l.version,
        row_number() over (partition by l.user_id order by l.slot) as rank
    from listed as l
    inner join {{ ref('rank_available_items') }} as a on a.item_id = l.item_id

)

select
    user_id,
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
    'segment_popular' as source
from shown
