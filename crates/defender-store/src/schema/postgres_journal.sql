-- Names are compared byte by byte. In the collation of the database, an update of the operating system may change their order under an
-- index, which then has a name twice.
alter table @schema@.quota_key alter column name type text collate "C";

-- Times are the server's. `api` and `tenant` are the scope; both are empty if the intent does not name it. `intent`, `outcome` and `last`
-- are JSON, kept as text so that they are returned as they were written.
create table @schema@.entry (
    key text collate "C" primary key,
    api text collate "C" not null,
    tenant text collate "C" not null,
    -- 0 intended, 1 submitted, 2 not sent, 3 refused, 4 unknown.
    state smallint not null,
    intent text not null,
    -- Version of the form of the intent.
    version integer not null,
    holder uuid not null,
    lease_until timestamptz not null,
    tries integer not null default 0,
    -- Of an action: its id in lower case, and 1 created, 2 joined, 3 recovered.
    action_id text collate "C",
    origin smallint,
    outcome text,
    last text,
    intended_at timestamptz not null,
    settled_at timestamptz,
    finished_at timestamptz
);

-- An action is that of one entry, unless it was joined.
create unique index entry_claim on @schema@.entry (api, tenant, action_id) where origin in (1, 3);

create index entry_open on @schema@.entry (lease_until) where state = 0;

-- For the retention. An intent writes nothing here.
create index entry_settled on @schema@.entry (settled_at) where state in (1, 2, 3);

-- Writes an intent. The result is 0 for a new entry, 1 for an entry that the holder has written before, and 2 for any other entry. The
-- lease is in microseconds.
create function @schema@.entry_intend(
    new_key text,
    new_api text,
    new_tenant text,
    new_intent text,
    new_version integer,
    new_holder uuid,
    lease bigint,
    out result integer,
    out kept_intent text,
    out kept_outcome text,
    out kept_last text
) language plpgsql set search_path = pg_catalog, @schema@, pg_temp as $body$
declare
    t timestamptz;
begin
    perform store_prepare();
    t := clock_timestamp();
    -- Of several that insert at once, the others wait for the first, and lock its row. `do nothing` would lock no row.
    insert into entry as e (key, api, tenant, state, intent, version, holder, lease_until, intended_at)
        values (new_key, new_api, new_tenant, 0, new_intent, new_version, new_holder, t + lease * interval '1 microsecond', t)
        on conflict (key) do update set
            api = excluded.api,
            tenant = excluded.tenant,
            state = 0,
            intent = excluded.intent,
            version = excluded.version,
            holder = excluded.holder,
            lease_until = excluded.lease_until,
            tries = 0,
            action_id = null,
            origin = null,
            outcome = null,
            last = null,
            intended_at = excluded.intended_at,
            settled_at = null,
            finished_at = null
        where e.state in (2, 3);
    if found then
        result := 0;
        return;
    end if;
    -- A statement of its own sees the row of another process, which is locked.
    select case when e.state = 0 and e.holder = new_holder then 1 else 2 end, e.intent, e.outcome, e.last
        into result, kept_intent, kept_outcome, kept_last
        from entry e where e.key = new_key;
end $body$;

-- Writes an outcome. The result is 0 for a written outcome, 1 with the key of the entry that has the action, 2 with the outcome that the
-- entry has, and 3 for an entry that does not exist or that another holder has.
create function @schema@.entry_settle(
    new_key text,
    new_holder uuid,
    new_state integer,
    new_outcome text,
    new_origin integer,
    new_action text,
    out result integer,
    out found_text text
) language plpgsql set search_path = pg_catalog, @schema@, pg_temp as $body$
begin
    perform store_prepare();
    loop
        begin
            update entry e set
                state = new_state,
                outcome = new_outcome,
                origin = new_origin,
                action_id = new_action,
                settled_at = clock_timestamp()
                where e.key = new_key
                and (e.state = 0 and (e.holder = new_holder or new_state = 1) or e.state in (2, 3, 4) and new_state = 1);
            if found then
                result := 0;
                return;
            end if;
            exit;
        exception when unique_violation then
            select other.key into found_text from entry e, entry other
                where e.key = new_key and other.api = e.api and other.tenant = e.tenant
                and other.action_id = new_action and other.origin in (1, 3);
            if found then
                result := 1;
                return;
            end if;
            -- The other entry was deleted meanwhile.
        end;
    end loop;
    select case when e.outcome is null then 3 else 2 end, e.outcome into result, found_text from entry e where e.key = new_key;
    result := coalesce(result, 3);
end $body$;

-- Writes the last record of an action.
create function @schema@.entry_finish(new_key text, new_last text) returns void
language plpgsql set search_path = pg_catalog, @schema@, pg_temp as $body$
begin
    perform store_prepare();
    update entry e set last = new_last, finished_at = clock_timestamp()
        where e.key = new_key and e.last is distinct from new_last;
end $body$;

-- Takes over entries whose lease is over. A repeat also returns the entries of the holder: those of a response that was lost.
create function @schema@.entry_take_over(
    of_api text,
    of_tenant text,
    new_holder uuid,
    lease bigint,
    at_most bigint,
    known_version integer,
    is_repeat boolean
) returns table (key text, intent text, tries integer)
language plpgsql set search_path = pg_catalog, @schema@, pg_temp as $body$
#variable_conflict use_column
declare
    t timestamptz;
begin
    perform store_prepare();
    t := clock_timestamp();
    return query
        with free as materialized (
            select e.key, e.lease_until from entry e
                where e.state = 0 and (e.lease_until <= t or is_repeat and e.holder = new_holder)
                and e.api = of_api and e.tenant = of_tenant and e.version <= known_version
                order by e.lease_until limit at_most for update skip locked
        ), taken as (
            update entry e set holder = new_holder, lease_until = t + lease * interval '1 microsecond', tries = e.tries + 1
                from free where e.key = free.key
                returning e.key, e.intent, e.tries, free.lease_until as ended_at
        )
        select k.key, k.intent, k.tries from taken k order by k.ended_at, k.key;
end $body$;

-- Deletes entries that are not needed any more, and returns their number. Ages are microseconds.
create function @schema@.entry_prune(age bigint, unfinished_age bigint, open_age bigint, at_most bigint) returns bigint
language plpgsql set search_path = pg_catalog, @schema@, pg_temp as $body$
declare
    t timestamptz;
    deleted bigint;
begin
    perform store_prepare();
    t := clock_timestamp();
    delete from entry d where d.key in (
        -- The first comparison follows from the second, and has an index.
        select e.key from entry e where e.state in (1, 2, 3) and e.settled_at < t - age * interval '1 microsecond'
            and greatest(e.settled_at, e.finished_at) < t - age * interval '1 microsecond'
            and (e.state <> 1 or e.last is not null or e.settled_at < t - unfinished_age * interval '1 microsecond')
            and not exists (
                select 1 from entry o where o.state = 0 and o.api = e.api and o.tenant = e.tenant
                and o.intended_at < t - open_age * interval '1 microsecond'
            )
            limit at_most for update skip locked
    );
    get diagnostics deleted = row_count;
    return deleted;
end $body$;
