{{ config(materialized='materialized_view') }}
-- The weights of a variant in one row: what the blend reads for a person.
select
    variant,
    array_agg(strategy order by strategy) as strategies,
    array_agg(weight order by strategy) as weights
from {{ ref('ranking_weights') }}
where weight is not null
group by variant
