-- Items that a person bought and should not be offered now: never again, or, in a category that
-- people buy again, not before its number of days has passed. A million days are before every
-- event, and still a timestamp.
select
    p.user_id,
    p.item_id,
    p.last_purchased_at
from {{ ref('feat_user_purchases') }} as p
left join {{ ref('items') }} as i on i.item_id = p.item_id
left join {{ ref('category_rules') }} as c on c.category = i.category
where
    not coalesce(c.is_repeatable, false)
    or p.last_purchased_at
    > now()
    - least(greatest(coalesce(c.repeat_after_days, 0), 0), 1000000) * interval '1 day'
