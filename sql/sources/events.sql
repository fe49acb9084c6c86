-- The one place that deduplicates events (the first of an event_id wins) and from which a person is erased.
create table {{ this }} (
    event_id varchar primary key,
    event_type varchar,
    user_id varchar,
    anonymous_id varchar,
    session_id varchar,
    item_id varchar,
    quantity integer,
    price double precision,
    currency varchar,
    dwell_seconds double precision,
    search_query varchar,
    list_id varchar,
    position integer,
    rec_id varchar,
    country varchar,
    device varchar,
    referrer varchar,
    consent boolean,
    occurred_at timestamptz,
    received_at timestamptz default now()
) on conflict do nothing
