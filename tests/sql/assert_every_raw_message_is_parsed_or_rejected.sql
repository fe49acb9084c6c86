-- Nothing is lost between the raw messages and the events.
select
    r.messages,
    p.parsed,
    x.rejected
from (select count(*) as messages from {{ ref('events_raw') }}) as r
cross join (select count(*) as parsed from {{ ref('stg_events_raw_parsed') }}) as p
cross join (select count(*) as rejected from {{ ref('stg_events_rejected') }}) as x
where r.messages <> p.parsed + x.rejected
