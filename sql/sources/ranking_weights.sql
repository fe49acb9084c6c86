-- Weights of the strategies, one row per variant of the ranking experiment and strategy. Analysts UPDATE
-- them; what has no row, or a null, weighs what var strategies says.
create table {{ this }} (
    variant varchar,
    strategy varchar,
    weight double precision,
    primary key (variant, strategy)
) on conflict do update full
