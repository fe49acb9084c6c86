-- What is known of a person besides events.
create table {{ this }} (
    user_id varchar primary key,
    segment varchar,
    attributes jsonb,
    updated_at timestamptz
) on conflict do update full
