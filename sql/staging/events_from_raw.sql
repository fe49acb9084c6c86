{{ config(materialized='sink') }}
-- Good raw messages join the events that applications INSERT, under one primary key.
create sink {{ this }} into {{ ref('events') }}
from {{ ref('stg_events_raw_parsed') }}
with (
    type = 'append-only',
    force_append_only = 'true'
)
