-- The segment of a person, for the fallback to the segment's popular items.
select
    user_id,
    segment
from {{ ref('users') }}
where segment is not null
