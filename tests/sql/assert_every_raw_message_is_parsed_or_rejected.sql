-- Nothing is lost between the raw messages and the events.
with

raw_messages as (

    select count(*) as messages from {{ ref('events_raw') }}

),

parsed_messages as (

    select count(*) as messages from {{ ref('stg_events_raw_parsed') }}

),

rejected_messages as (

    select count(*) as messages from {{ ref('stg_events_rejected') }}

)

select
    r.messages as raw,
    p.messages as parsed,
    x.messages as rejected
from raw_messages as r
cross join parsed_messages as p
cross join rejected_messages as x
where r.messages <> p.messages + x.messages
