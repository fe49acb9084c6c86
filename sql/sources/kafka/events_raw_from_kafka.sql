{{ config(materialized='sink') }}
-- Bytes that are no UTF-8 become text that is no JSON, so staging keeps them among the rejected rows.
create sink {{ this }} into {{ ref('events_raw') }} (
    payload, source_partition, source_offset, received_at
) as
select
    coalesce(
        convert_from(payload, 'UTF8'), '\x' || encode(payload, 'hex')
    ) as payload,
    source_partition,
    source_offset,
    received_at
from {{ ref('events_kafka') }}
with (
    type = 'append-only'
)
