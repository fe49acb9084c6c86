-- Items to show beside an item, best first.
with

shown as (

    select
        n.item_id as shown_with_item_id,
        n.neighbour_id as item_id,
        a.name,
        a.category,
        a.brand,
        a.price,
        a.image_url,
        n.score,
        n.strategy,
        n.slot,
        n.model_version,
        n.version,
        row_number() over (partition by n.item_id order by n.slot) as rank
    from {{ ref('rank_item_neighbours') }} as n
    inner join {{ ref('rank_available_items') }} as a on a.item_id = n.neighbour_id

)

select
    s.shown_with_item_id,
    cast(s.rank as integer) as rank,
    s.item_id,
    s.name,
    s.category,
    s.brand,
    s.price,
    s.image_url,
    s.score,
    s.strategy,
    s.shown_with_item_id as reason_item_id,
    {{ reason_text('s.strategy', 'r.name') }} as reason_text,
    case s.strategy when 'covisitation' then 2 else 1 end as tier,
    now() as computed_at,
    {{ list_identity([
        "'similar_items'", 's.shown_with_item_id', 's.version', 's.model_version'
    ]) }} as rec_id,
    s.slot,
    'control' as variant,
    s.model_version,
    'item' as source
from shown as s
left join {{ ref('items') }} as r on r.item_id = s.shown_with_item_id
