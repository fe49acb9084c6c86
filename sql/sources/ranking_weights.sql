-- Weights of the blend, one row per variant of the ranking experiment. Analysts UPDATE them.
create table {{ this }} (
    variant varchar primary key,
    model_version varchar,
    covisitation double precision,
    bought_together double precision,
    session_affinity double precision,
    embedding double precision,
    buy_again double precision,
    trending double precision,
    popularity double precision
) on conflict do update full
