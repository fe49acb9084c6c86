-- Neighbours of an item as rows: those by co-visitation first, then those by embedding, because
-- most items of a long tail never met another item twice.
with

neighbours as (

    select
        c.item_id,
        x.neighbour_id,
        cast(x.slot as integer) as slot,
        c.scores[cast(x.slot as integer)] as score,
        'covisitation' as strategy,
        e.model_version,
        c.version
    from {{ ref('i2i_covisitation') }} as c
    left join {{ ref('embedding_neighbours') }} as e on e.item_id = c.item_id
    cross join unnest(c.neighbour_ids) with ordinality as x (neighbour_id, slot)

    union all

    select
        e.item_id,
        x.neighbour_id,
        {{ var('neighbours') }} + cast(x.slot as integer) as slot,
        e.scores[cast(x.slot as integer)] as score,
        'embedding' as strategy,
        e.model_version,
        c.version
    from {{ ref('embedding_neighbours') }} as e
    left join {{ ref('i2i_covisitation') }} as c on c.item_id = e.item_id
    cross join unnest(e.neighbour_ids) with ordinality as x (neighbour_id, slot)

),

numbered as (

    select
        item_id,
        neighbour_id,
        slot,
        score,
        strategy,
        model_version,
        version,
        row_number() over (
            partition by item_id, neighbour_id order by slot
        ) as occurrence
    from neighbours

)

select
    item_id,
    neighbour_id,
    slot,
    score,
    strategy,
    model_version,
    version
from numbered
where occurrence = 1
