{{ config(materialized='materialized_view') }}
-- The most popular items of each segment, and of everybody (segment *). The list of everybody
-- starts from the catalogue, so that it is full before the first event.
with

by_segment as (

    select
        u.segment,
        x.item_id,
        cast(
            sum(greatest(least(x.interest, {{ var('interest_cap') }}), 0)) as bigint
        ) as popularity
    from {{ ref('feat_user_items') }} as x
    inner join {{ ref('users') }} as u on u.user_id = x.user_id
    where u.segment is not null and u.segment <> '*'
    group by u.segment, x.item_id

),

scored as (

    select
        segment,
        item_id,
        popularity
    from by_segment

    union all

    select
        '*' as segment,
        i.item_id,
        coalesce(p.popularity, 0) as popularity
    from {{ ref('items') }} as i
    left join {{ ref('feat_item_popularity') }} as p on p.item_id = i.item_id
    where i.is_active

),

ranked as (

    select
        segment,
        item_id,
        popularity,
        row_number() over (
            partition by segment order by popularity desc, item_id
        ) as rn
    from scored

)

select
    segment,
    array_agg(item_id order by popularity desc, item_id) as item_ids,
    array_agg(
        cast(popularity as double precision) order by popularity desc, item_id
    ) as scores,
    md5(array_to_string(array_agg(item_id order by popularity desc, item_id), ',')) as version
from ranked
where rn <= {{ var('popular_items') }}
group by segment
