-- In which categories people buy the same thing again, and after how many days it may be offered again.
create table {{ this }} (
    category varchar primary key,
    is_repeatable boolean,
    repeat_after_days integer
) on conflict do update full
