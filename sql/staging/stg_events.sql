{{ config(materialized='materialized_view', indexes=[
    {'columns': ['user_id', 'item_id']}, {'columns': ['session_id', 'item_id']}
]) }}
-- Who acted is decided here: a known user, else the user an anonymous visitor turned out to
-- be, else the visitor.
with

resolved as (

    select
        e.event_id,
        e.event_type,
        coalesce(e.user_id, i.user_id, e.anonymous_id) as user_id,
        e.session_id,
        e.item_id,
        e.quantity,
        e.price,
        e.dwell_seconds,
        e.list_id,
        e.position,
        e.rec_id,
        e.occurred_at,
        e.received_at
    from {{ ref('events') }} as e
    left join {{ ref('identities') }} as i on i.anonymous_id = e.anonymous_id
    where
        coalesce(e.consent, true)
        and coalesce(e.device, '') <> 'bot'
        and e.occurred_at
        <= e.received_at + interval '{{ var("future_minutes") }} minutes'

)

select
    r.event_id,
    r.event_type,
    r.user_id,
    r.session_id,
    r.item_id,
    r.quantity,
    r.price,
    r.dwell_seconds,
    r.list_id,
    r.position,
    r.rec_id,
    r.occurred_at,
    r.received_at
from resolved as r
where
    r.user_id is not null
    and not exists (
        select 1 from {{ ref('erased_users') }} as x where x.user_id = r.user_id
    )
