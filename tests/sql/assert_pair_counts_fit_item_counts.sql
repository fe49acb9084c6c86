-- Two items cannot meet more often than either of them is seen.
select
    p.item_a,
    p.item_b,
    p.sessions
from {{ ref('feat_item_pairs') }} as p
left join {{ ref('feat_item_counts') }} as a on a.item_id = p.item_a
left join {{ ref('feat_item_counts') }} as b on b.item_id = p.item_b
where
    p.item_a >= p.item_b
    or p.orders > p.sessions
    or p.sessions > coalesce(a.sessions, 0)
    or p.sessions > coalesce(b.sessions, 0)
