-- Which item vectors the blend uses, one row per variant of the ranking experiment.
create table {{ this }} (
    variant varchar primary key,
    model_version varchar
) on conflict do update full
