-- Ids and scores of a stored list are two arrays of one length.
select item_id
from {{ ref('i2i_covisitation') }}
where cardinality(neighbour_ids) <> cardinality(scores)

union all

select item_id
from {{ ref('i2i_bought_together') }}
where cardinality(neighbour_ids) <> cardinality(scores)
