{{ config(materialized='materialized_view', indexes=[{'columns': ['person_hash']}]) }}
-- Erased people by the hash under which past_identities has them.
select
    x.user_id,
    {{ keyed_hash('x.user_id') }} as person_hash
from {{ ref('erased_users') }} as x
