-- requires: guard_origins

-- An instance that a run cell started records its origin: the parent, the run cell and its attempt,
-- the element's position in the cell's list (null without a list), and the seq and the token under
-- which it was inserted. `start` leaves all of them null. The guard (guard_origins.sql) checks an
-- origin, so an instance without one costs nothing more than before.
alter table leasehold.instances
  add column parent_instance_id text collate "C",
  add column parent_cell_id text collate "C",
  add column parent_n int,
  add column parent_attempt int,
  add column parent_seq bigint,
  add column parent_token bigint;

-- One child for each element and attempt, however often it is started; and the children of an
-- instance are found without reading the others.
create unique index instances_by_origin on leasehold.instances
  (parent_instance_id, parent_cell_id, coalesce(parent_n, -1), parent_attempt)
  where parent_instance_id is not null;

create trigger guard_origin after insert on leasehold.instances for each row
  when (num_nonnulls(new.parent_instance_id, new.parent_cell_id, new.parent_n, new.parent_attempt,
                     new.parent_seq, new.parent_token) > 0)
  execute function leasehold.guard_origins();
