-- Who is not to be used any more, from this moment on. `millstream forget` makes tombstones of these rows.
create table {{ this }} (
    user_id varchar primary key,
    erased_at timestamptz
) on conflict do update full
