{{ config(materialized='materialized_view') }}
-- Items seen in the same sessions, best first.
with

directed as (

    select
        item_a as item_id,
        item_b as neighbour_id,
        covisitation as score
    from {{ ref('feat_pair_scores') }}
    where covisitation is not null

    union all

    select
        item_b as item_id,
        item_a as neighbour_id,
        covisitation as score
    from {{ ref('feat_pair_scores') }}
    where covisitation is not null

),

ranked as (

    select
        item_id,
        neighbour_id,
        score,
        row_number() over (
            partition by item_id order by score desc, neighbour_id
        ) as rn
    from directed

)

select
    item_id,
    array_agg(neighbour_id order by score desc, neighbour_id) as neighbour_ids,
    array_agg(score order by score desc, neighbour_id) as scores,
    md5(
        array_to_string(array_agg(neighbour_id order by score desc, neighbour_id), ',')
    ) as version
from ranked
where rn <= {{ var('neighbours') }}
group by item_id
