-- Item embeddings of the newest model version.
create table {{ this }} (
    item_id varchar primary key,
    model_version varchar,
    vector double precision[]
) on conflict do update full
