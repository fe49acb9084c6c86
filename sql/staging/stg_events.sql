{{ config(materialized='materialized_view', indexes=[
    {'columns': ['user_id', 'item_id']}, {'columns': ['session_id', 'item_id']}
]) }}
-- The events that are used: every other model starts from these.
select
    j.event_id,
    j.event_type,
    j.user_id,
    j.session_id,
    j.item_id,
    j.quantity,
    j.price,
    j.dwell_seconds,
    j.list_id,
    j.position,
    j.rec_id,
    j.occurred_at,
    j.received_at
from {{ ref('stg_events_judged') }} as j
where
    j.reason is null
    and j.user_id is not null  -- as the reason says; the engines do not see it there
