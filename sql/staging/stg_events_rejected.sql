{{ config(materialized='materialized_view') }}
-- Nothing that arrives is lost: what cannot be an event is kept as it came, with the reason.
select
    payload,
    reason,
    source_partition,
    source_offset,
    received_at
from {{ ref('stg_events_raw_decoded') }}
where reason is not null
