with

bought as (

    select item_id
    from serve_bought_items
    where user_id = $1

),

personal as (

    select *
    from (
        select 0 as place, r.*, row_number() over (order by r.slot) as number
        from serve_recommendations as r
        where
            r.user_id = $1
            -- your conditions
    ) as numbered
    where number <= $2

),

segment_popular as (

    select 1 as place, r.*, r.rank as number
    from serve_segments as s
    inner join serve_popular as r on r.segment = s.segment
    where
        s.user_id = $1
        and (select count(*) from personal) < $2
        and r.item_id not in (select item_id from personal)
        and r.item_id not in (select item_id from bought)
        -- your conditions

),

two_tiers as (

    select * from personal
    union all
    select * from segment_popular

),

trending as (

    select 2 as place, r.*, r.rank as number
    from serve_trending_now as r
    where
        r.scope = '*'
        and (select count(*) from two_tiers) < $2
        and r.item_id not in (select item_id from two_tiers)
        and r.item_id not in (select item_id from bought)
        -- your conditions

),

three_tiers as (

    select * from two_tiers
    union all
    select * from trending

),

popular as (

    select 3 as place, r.*, r.rank as number
    from serve_popular as r
    where
        r.segment = '*'
        and (select count(*) from three_tiers) < $2
        and r.item_id not in (select item_id from three_tiers)
        and r.item_id not in (select item_id from bought)
        -- your conditions

),

tiers as (

    select * from three_tiers
    union all
    select * from popular

),

ranked as (

    select *, cast(row_number() over (order by place, number) as integer) as final_rank
    from tiers

)

select
    final_rank as rank,
    item_id,
    name,
    category,
    brand,
    price,
    image_url,
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
from ranked
where final_rank <= $2
order by final_rank
