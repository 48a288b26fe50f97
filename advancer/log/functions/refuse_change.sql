-- Refuses UPDATE, DELETE and TRUNCATE (LH004), to the owner as well.
create or replace function leasehold.refuse_change() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception '%.% is append-only: % is refused', tg_table_schema, tg_table_name, tg_op
    using errcode = 'LH004', hint = 'Append a row that says what changed instead.';
end
$$;
