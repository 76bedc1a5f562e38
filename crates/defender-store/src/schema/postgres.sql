-- Times are the server's. `@schema@` and `@lock@` are replaced: the name of the schema, and the class of its advisory locks.

create table @schema@.quota_key (
    id bigint generated always as identity primary key,
    name text not null unique,
    -- After a 429: no permit is granted before this time, and then one at a time until a probe was answered.
    closed_until timestamptz,
    probe uuid,
    probe_until timestamptz
);

-- Each limit that was asked with; `per` in microseconds. `spare` is at most the number of free slots: a grant lowers it, and time only
-- frees slots. So the slots are counted only if it is used up.
create table @schema@.quota_limit (
    key bigint not null references @schema@.quota_key,
    calls bigint not null,
    per bigint not null,
    spare bigint not null,
    primary key (key, calls, per)
) with (fillfactor = 50);

-- `base` is the end of the attempt, or the time at which the permit lapses. The slot is taken until `base` and the `per` of a limit.
create table @schema@.quota_slot (
    key bigint not null references @schema@.quota_key,
    permit uuid not null,
    base timestamptz not null,
    under_way boolean not null,
    primary key (key, permit)
);

create index quota_slot_base on @schema@.quota_slot (key, base);

-- Makes sure of what the functions depend on, whatever the defaults of server, database and role are.
create function @schema@.store_prepare() returns void language plpgsql as $body$
begin
    -- In another isolation level a statement does not see what was committed while the one before it waited.
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'the isolation level is %, and the store needs read committed', current_setting('transaction_isolation')
            using errcode = 'DS001';
    end if;
    -- Otherwise a grant or an intent is lost if the server is killed. A setting for the transaction survives the end of this function.
    if current_setting('synchronous_commit') not in ('on', 'remote_apply') then
        perform set_config('synchronous_commit', 'on', true);
    end if;
    if current_setting('lock_timeout') = '0' then
        perform set_config('lock_timeout', '5s', true);
    end if;
end $body$;

-- Grants the first permits that find room in every limit. Times are microseconds.
create function @schema@.quota_reserve(
    key_name text,
    permits uuid[],
    limit_calls bigint[],
    limit_pers bigint[],
    hold bigint,
    out granted integer,
    out retry_after bigint
) language plpgsql set search_path = pg_catalog, @schema@, pg_temp as $body$
declare
    asked constant integer := cardinality(permits);
    limits constant integer := cardinality(limit_calls);
    k bigint;
    t timestamptz;
    closed timestamptz;
    probing_until timestamptz;
    known uuid[];
    fresh uuid[] := '{}';
    p uuid;
    free bigint;
    room bigint;
    rooms bigint[] := '{}';
    counted integer[] := '{}';
    is_new boolean;
    since timestamptz;
    lapse timestamptz;
    taken integer;
    inserted integer;
    last_base timestamptz;
    last_bases timestamptz[] := '{}';
    latest timestamptz;
    wait bigint := 0;
begin
    perform store_prepare();
    select q.id into k from quota_key q where q.name = key_name;
    if k is null then
        insert into quota_key (name) values (key_name) on conflict (name) do nothing;
        -- A statement of its own sees the row of another process.
        select q.id into k from quota_key q where q.name = key_name;
    end if;
    -- A statement of its own: the statements after it see everything that was committed under the lock. And a lock that is no row: a
    -- refusal writes nothing.
    perform pg_advisory_xact_lock(@lock@, k::integer);
    -- Not now(), which is the time before the wait for the lock.
    t := clock_timestamp();
    select q.closed_until, q.probe_until into closed, probing_until from quota_key q where q.id = k;
    select coalesce(array_agg(s.permit), '{}') into known
        from quota_slot s where s.key = k and s.permit = any (permits) and s.under_way and s.base > t;
    free := asked - cardinality(known);
    if closed is not null then
        if probing_until > t then
            free := 0;
            wait := 1000000;
        elsif closed > t then
            free := 0;
            wait := floor(extract(epoch from closed - t) * 1000000);
        else
            free := least(free, 1);
        end if;
    end if;
    for i in 1 .. limits loop
        select l.spare into room
            from quota_limit l where l.key = k and l.calls = limit_calls[i] and l.per = limit_pers[i];
        is_new := not found;
        last_base := null;
        if is_new or room < free then
            since := t - limit_pers[i] * interval '1 microsecond';
            select limit_calls[i] - count(*), min(slots.base) into room, last_base
                from (select s.base from quota_slot s where s.key = k and s.base > since order by s.base desc limit limit_calls[i])
                    as slots;
            counted := counted || i;
            if is_new then
                -- Even if nothing is granted: from now on slots are kept for this limit.
                insert into quota_limit (key, calls, per, spare) values (k, limit_calls[i], limit_pers[i], room);
            end if;
        end if;
        rooms := rooms || room;
        last_bases := last_bases || last_base;
        free := least(free, greatest(room, 0));
    end loop;

    if cardinality(known) = 0 then
        granted := least(free, asked);
        fresh := permits[1:granted];
    else
        granted := 0;
        foreach p in array permits loop
            if p <> all (known) and p <> all (fresh) then
                exit when cardinality(fresh) >= free;
                fresh := fresh || p;
            end if;
            granted := granted + 1;
        end loop;
    end if;
    taken := cardinality(fresh);

    if taken > 0 then
        lapse := t + hold * interval '1 microsecond';
        insert into quota_slot (key, permit, base, under_way)
            select k, f.permit, lapse, true from unnest(fresh) as f (permit) on conflict do nothing;
        get diagnostics inserted = row_count;
        if inserted < taken then
            -- An id had a permit that is over. Its slot is taken still, under another id.
            update quota_slot s set permit = gen_random_uuid()
                where s.key = k and s.permit = any (fresh) and not (s.under_way and s.base > t);
            insert into quota_slot (key, permit, base, under_way)
                select k, f.permit, lapse, true from unnest(fresh) as f (permit) on conflict do nothing;
        end if;
        if cardinality(counted) = 0 then
            update quota_limit l set spare = l.spare - taken where l.key = k;
        else
            update quota_limit l set spare = coalesce(
                (select rooms[i] from unnest(counted) as c (i) where limit_calls[i] = l.calls and limit_pers[i] = l.per), l.spare
            ) - taken where l.key = k;
        end if;
        if cardinality(counted) > 0 or limits = 0 then
            since := t - (select coalesce(max(l.per), 0) from quota_limit l where l.key = k) * interval '1 microsecond';
            delete from quota_slot s where s.key = k and s.base <= since;
        end if;
        if closed is not null then
            probing_until := lapse;
            update quota_key q set probe = fresh[1], probe_until = lapse where q.id = k;
        end if;
    end if;

    if granted < asked then
        if closed is not null and probing_until > t then
            wait := greatest(wait, 1000000);
        end if;
        for i in 1 .. limits loop
            if rooms[i] - taken < 1 then
                -- The slot that must become free. It is known if all slots of the limit were counted and none was added.
                latest := case when taken = 0 then last_bases[i] end;
                if latest is null then
                    select s.base into latest
                        from quota_slot s where s.key = k order by s.base desc offset limit_calls[i] - 1 limit 1;
                end if;
                if latest is not null then
                    -- An attempt that is under way counts as ended now.
                    latest := least(latest, t);
                    wait := greatest(wait, floor(extract(epoch from latest - t) * 1000000)::bigint + limit_pers[i]);
                end if;
            end if;
        end loop;
        retry_after := wait;
    end if;
end $body$;

-- Records the ends of attempts: 0 never sent, 1 no response, 2 answered, 3 answered with 429. Times are microseconds.
create function @schema@.quota_release(
    key_name text,
    permits uuid[],
    outcomes smallint[],
    ages bigint[],
    pauses bigint[]
) returns void language plpgsql set search_path = pg_catalog, @schema@, pg_temp as $body$
declare
    refused constant boolean := 3 = any (outcomes);
    k bigint;
    is_closed boolean;
    t timestamptz;
    probing uuid;
    answered boolean;
begin
    perform store_prepare();
    select q.id, q.closed_until is not null into k, is_closed from quota_key q where q.name = key_name;
    if k is null then
        if not refused then
            return;
        end if;
        insert into quota_key (name) values (key_name) on conflict (name) do nothing;
        select q.id into k from quota_key q where q.name = key_name;
    end if;
    -- Without the lock, an end only frees slots. If the key is open, none of these permits is its probe.
    if refused or is_closed then
        perform pg_advisory_xact_lock(@lock@, k::integer);
    end if;
    t := clock_timestamp();
    if 0 = any (outcomes) then
        delete from quota_slot s using unnest(permits, outcomes) as e (permit, outcome)
            where e.outcome = 0 and s.key = k and s.permit = e.permit and s.under_way and s.base > t;
    end if;
    if 0 < any (outcomes) then
        update quota_slot s set base = least(s.base, t - e.age * interval '1 microsecond'), under_way = false
            from unnest(permits, outcomes, ages) as e (permit, outcome, age)
            where e.outcome > 0 and s.key = k and s.permit = e.permit and s.under_way and s.base > t;
    end if;
    if refused then
        -- A shorter pause does not shorten a longer pause.
        update quota_key q set
            closed_until = greatest(q.closed_until, t + (select max(e.pause) from unnest(pauses) as e (pause)) * interval '1 microsecond'),
            probe = null,
            probe_until = null
            where q.id = k;
    elsif is_closed then
        select q.probe into probing from quota_key q where q.id = k and q.probe = any (permits) and q.probe_until > t;
        if probing is not null then
            select bool_and(e.outcome = 2) into answered
                from unnest(permits, outcomes) as e (permit, outcome) where e.permit = probing;
            update quota_key q set closed_until = case when answered then null else q.closed_until end, probe = null, probe_until = null
                where q.id = k;
        end if;
    end if;
end $body$;

create table @schema@.meta (
    program text not null,
    schema_version integer not null
);
