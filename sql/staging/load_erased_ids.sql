-- What loaders must leave out of what they read from the sources; the writer may read it.
select
    e.id,
    e.is_erased
from {{ ref('stg_erased_ids') }} as e
