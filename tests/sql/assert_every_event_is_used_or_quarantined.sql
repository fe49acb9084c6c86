-- Nothing is lost between the events and staging.
select e.event_id
from {{ ref('events') }} as e
where
    not exists (
        select 1 from {{ ref('stg_events') }} as s where s.event_id = e.event_id
    )
    and not exists (
        select 1 from {{ ref('stg_events_quarantined') }} as q
        where q.event_id = e.event_id
    )
