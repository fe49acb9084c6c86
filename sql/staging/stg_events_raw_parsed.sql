{{ config(materialized='materialized_view') }}
-- The columns of events, in their order: the sink events_from_raw copies these rows there.
select
    d.event_id,
    d.event_type,
    d.user_id,
    d.anonymous_id,
    d.body ->> 'session_id' as session_id,
    d.body ->> 'item_id' as item_id,
    d.quantity,
    d.price,
    d.body ->> 'currency' as currency,
    d.dwell_seconds,
    d.body ->> 'search_query' as search_query,
    d.body ->> 'list_id' as list_id,
    d.position,
    d.body ->> 'rec_id' as rec_id,
    d.body ->> 'country' as country,
    d.body ->> 'device' as device,
    d.body ->> 'referrer' as referrer,
    d.consent,
    d.occurred_at,
    d.received_at
from {{ ref('stg_events_raw_decoded') }} as d
where d.reason is null
