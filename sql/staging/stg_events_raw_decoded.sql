{{ config(materialized='ephemeral') }}
-- A raw message field by field. A cast that fails is NULL on both engines, so a bad field is
-- named here and stops nothing.
with

bodies as (

    select
        payload,
        source_partition,
        source_offset,
        received_at,
        cast(payload as jsonb) as body
    from {{ ref('events_raw') }}

),

fields as (

    select
        payload,
        source_partition,
        source_offset,
        received_at,
        body,
        {{ id_or_null("body ->> 'event_id'") }} as event_id,
        body ->> 'event_type' as event_type,
        {{ id_or_null("body ->> 'user_id'") }} as user_id,
        {{ id_or_null("body ->> 'anonymous_id'") }} as anonymous_id,
        body ->> 'quantity' as quantity_text,
        cast(body ->> 'quantity' as integer) as quantity,
        body ->> 'price' as price_text,
        cast(body ->> 'price' as double precision) as price,
        body ->> 'dwell_seconds' as dwell_text,
        cast(body ->> 'dwell_seconds' as double precision) as dwell_seconds,
        body ->> 'position' as position_text,
        cast(body ->> 'position' as integer) as position,
        body ->> 'consent' as consent_text,
        cast(body ->> 'consent' as boolean) as consent,
        case
            when
                regexp_count(
                    body ->> 'occurred_at',
                    ':[0-9][0-9][0-9.]*(Z|[+-][0-9][0-9](:?[0-9][0-9])?)$'
                ) > 0
                then cast(body ->> 'occurred_at' as timestamptz)
        end as occurred_at
    from bodies

)

select
    f.payload,
    f.source_partition,
    f.source_offset,
    f.received_at,
    f.body,
    f.event_id,
    f.event_type,
    f.user_id,
    f.anonymous_id,
    f.quantity,
    f.price,
    f.dwell_seconds,
    f.position,
    f.consent,
    f.occurred_at,
    case
        when f.body is null then 'the payload is not JSON'
        when f.event_id is null then 'event_id is missing'
        when f.event_type is null then 'event_type is missing'
        when f.user_id is null and f.anonymous_id is null
            then 'user_id and anonymous_id are missing'
        when f.occurred_at is null
            then 'occurred_at is missing or not a timestamp with a time zone'
        when not {{ is_moment('f.occurred_at') }} then 'occurred_at is no moment'
        when not {{ is_moment('f.received_at') }} then 'received_at is no moment'
        when f.occurred_at > f.received_at + interval '{{ var("future_minutes") }} minutes'
            then 'occurred_at is after received_at'
        when f.quantity_text is not null and f.quantity is null
            then 'quantity is not an integer'
        when f.price_text is not null and f.price is null then 'price is not a number'
        when f.dwell_text is not null and f.dwell_seconds is null
            then 'dwell_seconds is not a number'
        when f.position_text is not null and f.position is null
            then 'position is not an integer'
        when f.consent_text is not null and f.consent is null
            then 'consent is not a boolean'
    end as reason
from fields as f
