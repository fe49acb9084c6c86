-- Tombstones: no event of these people is used, however late it comes.
create table {{ this }} (
    user_id varchar primary key,
    erased_at timestamptz
) on conflict do update full
