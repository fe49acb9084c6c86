-- The event clock can be set by an owner: the next tick reads this once.
alter table millstream.clock add column set_to timestamptz;
-- What clients write to: views in a database of before, which engine/earlier/convert_sources.py makes tables.
insert into millstream.setting
select 'sources', case when exists (select from millstream.state where kind = 'table') then 'views' else 'tables' end;
