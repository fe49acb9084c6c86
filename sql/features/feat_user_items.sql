{{ config(materialized='materialized_view', indexes=[
    {'columns': ['item_id']}, {'columns': ['user_id', 'last_acted_at']}
]) }}
-- Everything that one person did with one item. Recent items, purchases, popularity and
-- trend all count from here, so that a person is counted once per item.
with

acts as (

    select
        user_id,
        item_id,
        event_type,
        {{ event_weight('event_type') }} as weight,
        case event_type
            when 'purchase' then coalesce(quantity, 1)
            when 'refund' then -coalesce(quantity, 1)
            else 0
        end as units,
        occurred_at,
        received_at
    from {{ ref('stg_events') }}
    where item_id is not null

)

select
    user_id,
    item_id,
    count(*) as interactions,
    sum(weight) as interest,
    count(*) filter (where event_type = 'purchase') as purchases,
    sum(units) as units,
    max(occurred_at) filter (where event_type = 'purchase') as last_purchased_at,
    max(occurred_at) as last_acted_at,
    max(received_at) as last_received_at
from acts
where weight <> 0
group by user_id, item_id
