{{ config(materialized='materialized_view') }}
-- The columns of events, in their order: the sink events_from_raw copies these rows there.
select
    event_id,
    event_type,
    user_id,
    anonymous_id,
    body ->> 'session_id' as session_id,
    body ->> 'item_id' as item_id,
    quantity,
    price,
    body ->> 'currency' as currency,
    dwell_seconds,
    body ->> 'search_query' as search_query,
    body ->> 'list_id' as list_id,
    position,
    body ->> 'rec_id' as rec_id,
    body ->> 'country' as country,
    body ->> 'device' as device,
    body ->> 'referrer' as referrer,
    consent,
    occurred_at,
    received_at
from {{ ref('stg_events_raw_decoded') }}
where reason is null
