-- Events that are kept but not used, and why.
select
    event_id,
    event_type,
    user_id,
    occurred_at,
    received_at,
    reason
from {{ ref('stg_events_judged') }}
where reason is not null
