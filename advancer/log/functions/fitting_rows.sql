-- The given rows as JSON, in the given order, until `max_bytes` are reached; at least one of them.
-- Bodies may be large, so none is read after the limit.
create or replace function leasehold.fitting_rows(
  instance_ids text[], seqs bigint[], max_bytes bigint
) returns setof json
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  line json;
  bytes bigint := 0;
begin
  for line in
    select json_build_object(
        'instance_id', e.instance_id, 'seq', e.seq, 'fencing_token', e.fencing_token,
        'replica_id', e.replica_id, 'kind', e.kind, 'cell_id', e.cell_id, 'attempt', e.attempt,
        'request_id', e.request_id, 'agent_id', e.agent_id, 'body', e.body,
        'recorded_at', leasehold.iso8601(e.recorded_at))
      from unnest(instance_ids, seqs) with ordinality as wanted (instance_id, seq, nth)
      cross join lateral (
        select * from leasehold.executions e
          where e.instance_id = wanted.instance_id and e.seq = wanted.seq offset 0) e
      order by wanted.nth
  loop
    bytes := bytes + octet_length(line::text);
    exit when bytes > max_bytes and bytes > octet_length(line::text);
    return next line;
  end loop;
end
$$;
