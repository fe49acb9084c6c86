-- Which person an anonymous visitor turned out to be.
create table {{ this }} (
    anonymous_id varchar primary key,
    user_id varchar
) on conflict do update full
