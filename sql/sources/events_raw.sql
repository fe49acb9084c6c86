-- Messages as they came, before anything is believed about them. staging parses them.
create table {{ this }} (
    payload varchar,
    source_partition varchar,
    source_offset varchar,
    received_at timestamptz default now()
) append only
