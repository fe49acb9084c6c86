{{ config(materialized='ephemeral') }}
-- Every event with who acted (a known user, else the user an anonymous visitor turned out to
-- be, else the visitor) and, if it must not be used, why. An id that names nobody is null from
-- here on.
with

resolved as (

    select
        e.event_id,
        e.event_type,
        {{ id_or_null('e.event_id') }} as known_event_id,
        coalesce(
            {{ id_or_null('e.user_id') }},
            case
                when {{ id_or_null('e.anonymous_id') }} is not null
                    then {{ id_or_null('i.user_id') }}
            end,
            {{ id_or_null('e.anonymous_id') }}
        ) as user_id,
        {{ id_or_null('e.user_id') }} as named_user_id,
        {{ id_or_null('e.session_id') }} as session_id,
        {{ id_or_null('e.item_id', var('missing_words')) }} as item_id,
        e.anonymous_id,
        e.quantity,
        e.price,
        e.dwell_seconds,
        e.list_id,
        e.position,
        e.rec_id,
        e.device,
        e.consent,
        e.occurred_at,
        e.received_at
    from {{ ref('events') }} as e
    left join {{ ref('identities') }} as i on i.anonymous_id = e.anonymous_id

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
    r.received_at,
    case
        when not coalesce(r.consent, true) then 'no consent'
        when coalesce(r.device, '') = 'bot' then 'bot'
        when r.known_event_id is null then 'event_id is missing'
        when r.occurred_at is null then 'occurred_at is missing'
        when r.received_at is null then 'received_at is missing'
        when not {{ is_moment('r.occurred_at') }} then 'occurred_at is no moment'
        when not {{ is_moment('r.received_at') }} then 'received_at is no moment'
        when
            r.occurred_at
            > r.received_at + interval '{{ var("future_minutes") }} minutes'
            then 'occurred_at is after received_at'
        when r.user_id is null then 'user_id and anonymous_id are missing'
        when x.is_erased or v.is_erased then 'erased'
        when v.id is not null and r.named_user_id is null then 'erased'
    end as reason
from resolved as r
left join {{ ref('stg_erased_ids') }} as x on x.id = r.user_id
left join {{ ref('stg_erased_ids') }} as v on v.id = r.anonymous_id
