{{ config(materialized='materialized_view') }}
-- Distinct people per item, all time. One person's interest is capped, so that nobody makes an
-- item popular alone.
select
    item_id,
    count(*) as users,
    count(*) filter (where units > 0) as buyers,
    cast(sum(interactions) as bigint) as interactions,
    cast(sum(purchases) as bigint) as purchases,
    cast(
        sum(greatest(least(interest, {{ var('interest_cap') }}), 0)) as bigint
    ) as popularity
from {{ ref('feat_user_items') }}
group by item_id
