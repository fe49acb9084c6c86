{{ config(materialized='materialized_view') }}
-- How often two items met in a session, each unordered pair once. Counts only: scores change
-- with every count of either item, counts do not.
select
    a.item_id as item_a,
    b.item_id as item_b,
    count(*) as sessions,
    count(*) filter (where a.is_purchased and b.is_purchased) as orders
from {{ ref('feat_session_items') }} as a
inner join {{ ref('feat_session_items') }} as b
    on
        b.session_id = a.session_id
        and b.item_id > a.item_id
        and b.first_at < a.first_at + interval '{{ var("pair_gap_hours") }} hours'
        and a.first_at < b.first_at + interval '{{ var("pair_gap_hours") }} hours'
group by a.item_id, b.item_id
