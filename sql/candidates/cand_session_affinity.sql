-- What is popular in the categories that the user is busy with.
select
    c.user_id,
    c.variant,
    c.acted_at,
    x.item_id,
    c.affinity / (x.slot + 1) as score,
    c.reason_item_ids[1] as reason_item_id
from {{ ref('cand_categories') }} as c
inner join {{ ref('feat_category_popular') }} for system_time as of proctime() as p
    on p.category = c.category
cross join unnest(p.item_ids) with ordinality as x (item_id, slot)
where x.slot <= {{ var('candidate_category') }} and x.item_id <> c.reason_item_ids[1]
