-- Events that are kept but not used, and why.
select
    e.event_id,
    e.event_type,
    coalesce(e.user_id, i.user_id, e.anonymous_id) as user_id,
    e.occurred_at,
    e.received_at,
    case
        when not coalesce(e.consent, true) then 'no consent'
        when coalesce(e.device, '') = 'bot' then 'bot'
        when e.occurred_at is null then 'occurred_at is missing'
        when e.received_at is null then 'received_at is missing'
        when
            e.occurred_at
            > e.received_at + interval '{{ var("future_minutes") }} minutes'
            then 'occurred_at is after received_at'
        when coalesce(e.user_id, i.user_id, e.anonymous_id) is null
            then 'user_id and anonymous_id are missing'
        else 'erased'
    end as reason
from {{ ref('events') }} as e
left join {{ ref('identities') }} as i on i.anonymous_id = e.anonymous_id
where
    not exists (
        select 1 from {{ ref('stg_events') }} as s where s.event_id = e.event_id
    )
