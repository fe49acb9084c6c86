-- Nearest items by embedding, nearest first, computed by loaders/embeddings.
create table {{ this }} (
    item_id varchar primary key,
    model_version varchar,
    neighbour_ids varchar[],
    scores double precision[]
) on conflict do update full
