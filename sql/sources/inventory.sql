-- Units on stock. An item without a row is not known to be out of stock.
create table {{ this }} (
    item_id varchar primary key,
    quantity integer
) on conflict do update full
