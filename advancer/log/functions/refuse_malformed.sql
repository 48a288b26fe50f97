-- Raises what a check constraint on this column would (23514).
create or replace function leasehold.refuse_malformed(
  table_name text, column_name text
) returns void
  language plpgsql immutable
as $$
begin
  raise exception 'new row of %: % violates its check constraint', table_name, column_name
    using errcode = '23514', column = column_name, table = table_name,
          hint = 'Ids are 1 to 128 characters of A-Z a-z 0-9 _ -; '
                 'bodies and receipts are JSON objects; '
                 'numbers are at most 9007199254740991 (2^53 - 1).';
end
$$;
