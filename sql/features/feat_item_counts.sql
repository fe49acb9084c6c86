{{ config(materialized='materialized_view') }}
-- In how many sessions an item was seen and bought, over the same sessions as the pair counts.
select
    item_id,
    count(*) as sessions,
    count(*) filter (where is_purchased) as orders
from {{ ref('feat_session_items') }}
group by item_id
