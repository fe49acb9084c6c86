-- The catalogue: one row per item, the last write wins.
create table {{ this }} (
    item_id varchar primary key,
    name varchar,
    category varchar,
    subcategory varchar,
    brand varchar,
    price double precision,
    is_active boolean,
    created_at timestamptz,
    image_url varchar
) on conflict do update full
