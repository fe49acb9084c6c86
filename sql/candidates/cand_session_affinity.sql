-- What is popular in the categories that the user is busy with.
select
    c.user_id,
    c.variant,
    c.acted_at,
    c.reason_item_id,
    c.affinity as factor,
    p.item_ids[1:{{ var('candidate_category') }}] as item_ids,
    cast(null as double precision[]) as scores
from {{ ref('cand_categories') }} as c
inner join {{ ref('feat_category_popular') }} for system_time as of proctime() as p
    on p.category = c.category
