{{ config(materialized='materialized_view') }}
-- The most popular active items of each category.
with

ranked as (

    select
        i.category,
        p.item_id,
        p.popularity,
        row_number() over (
            partition by i.category order by p.popularity desc, p.item_id
        ) as rn
    from {{ ref('feat_item_popularity') }} as p
    inner join {{ ref('items') }} as i on i.item_id = p.item_id
    where i.is_active and i.category is not null

)

select
    category,
    array_agg(item_id order by popularity desc, item_id) as item_ids,
    array_agg(
        cast(popularity as double precision) order by popularity desc, item_id
    ) as scores
from ranked
where rn <= {{ var('category_items') }}
group by category
