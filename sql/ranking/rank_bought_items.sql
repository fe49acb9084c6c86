{{ config(materialized='materialized_view', indexes=[
    {'columns': ['user_id', 'item_id']}
]) }}
-- Items that a person bought and should not be offered now: never again, or, in a category that
-- people buy again, not before its number of days has passed. A million days are after every
-- moment, and still a timestamp. Stored, because who reads a list looks each item up here.
with

held_back as (

    select
        p.user_id,
        p.item_id,
        p.last_purchased_at,
        p.last_purchased_at
        + case
            when c.is_repeatable
                then least(greatest(coalesce(c.repeat_after_days, 0), 0), 1000000)
            else 1000000
        end * interval '1 day' as offered_again_at
    from {{ ref('feat_user_purchases') }} as p
    left join {{ ref('items') }} as i on i.item_id = p.item_id
    left join {{ ref('category_rules') }} as c on c.category = i.category

)

select
    user_id,
    item_id,
    last_purchased_at
from held_back
where offered_again_at > now()
