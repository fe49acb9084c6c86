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

above as (

    select * from personal
    union all
    select r.*
    from (
        select 1 as place, s.*, s.rank as number
        from serve_segment_popular as s
        where s.user_id = $1
        union all
        select 2 as place, t.*, t.rank as number
        from serve_trending_now as t
        where t.scope = '*'
    ) as r
    where
        (select count(*) from personal) < $2
        and r.item_id not in (select item_id from bought)
        -- your conditions

),

tiers as (

    select * from above
    union all
    select 3 as place, r.*, r.rank as number
    from serve_popular as r
    where
        r.segment = '*'
        and (select count(distinct item_id) from above) < $2
        and r.item_id not in (select item_id from bought)
        -- your conditions

),

first_places as (

    select *, row_number() over (partition by item_id order by place, number) as occurrence
    from tiers

),

ranked as (

    select *, cast(row_number() over (order by place, number) as integer) as final_rank
    from first_places
    where occurrence = 1

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
