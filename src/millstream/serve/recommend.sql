with

bought as (

    select item_id
    from serve_bought_items
    where user_id = $1

),

personal as (

    select 0 as place, r.*
    from serve_recommendations as r
    where r.user_id = $1 and r.rank <= $2

),

segment_popular as (

    select 1 as place, p.*
    from serve_segments as s
    inner join serve_popular as p on p.segment = s.segment
    where
        s.user_id = $1
        and (select count(*) from personal) < $2
        and p.item_id not in (select item_id from personal)
        and p.item_id not in (select item_id from bought)

),

two_tiers as (

    select * from personal
    union all
    select * from segment_popular

),

trending as (

    select 2 as place, t.*
    from serve_trending_now as t
    where
        t.scope = '*'
        and (select count(*) from two_tiers) < $2
        and t.item_id not in (select item_id from two_tiers)
        and t.item_id not in (select item_id from bought)

),

three_tiers as (

    select * from two_tiers
    union all
    select * from trending

),

popular as (

    select 3 as place, p.*
    from serve_popular as p
    where
        p.segment = '*'
        and (select count(*) from three_tiers) < $2
        and p.item_id not in (select item_id from three_tiers)
        and p.item_id not in (select item_id from bought)

),

tiers as (

    select * from three_tiers
    union all
    select * from popular

)

select
    row_number() over (order by place, rank) as rank,
    item_id,
    name,
    score,
    strategy,
    reason_item_id,
    reason_text,
    tier,
    computed_at,
    rec_id,
    slot,
    variant,
    model_version,
    source
from tiers
order by place, rank
limit $2
