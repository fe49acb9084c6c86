-- Items that must not be recommended.
create table {{ this }} (
    item_id varchar primary key,
    reason varchar
) on conflict do update full
