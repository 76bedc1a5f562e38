-- Times are the server's.
create table @schema@.run (
    -- In the order of creation.
    number bigint generated always as identity primary key,
    id text collate "C" not null unique,
    tenant text not null,
    document text not null,
    halt_after bigint,
    -- Reason of the halt.
    halted text,
    -- The call that ended a halt last.
    reopened_by uuid,
    -- Failed and unknown rows that do not count any more.
    failures_before bigint not null default 0,
    created_at timestamptz not null
);

create table @schema@.run_row (
    run bigint not null references @schema@.run,
    -- Index of the row.
    place bigint not null,
    wave bigint not null,
    -- 0 planned, 1 sending, 2 submitted, 3 succeeded, 4 failed, 5 unknown.
    state smallint not null default 0,
    attempt bigint not null default 1,
    document text not null,
    worker uuid,
    -- The call that claimed the row last.
    call uuid,
    -- The row is free from this time on. The default is that of a row without a lease, which no renewal begins.
    lease_until timestamptz not null default '-infinity',
    primary key (run, place)
);

create index run_row_open on @schema@.run_row (run, wave) where state < 3;

create index run_row_failed on @schema@.run_row (run) where state in (4, 5);

-- Creates a run and its rows. Returns false if there is a run with this id, unless this is a repeat and the run is the same.
create function @schema@.run_create(
    new_id text,
    new_tenant text,
    new_document text,
    new_halt_after bigint,
    waves bigint[],
    documents text[],
    is_repeat boolean
) returns boolean language plpgsql set search_path = pg_catalog, @schema@, pg_temp as $body$
declare
    k bigint;
begin
    perform store_prepare();
    insert into run (id, tenant, document, halt_after, created_at)
        values (new_id, new_tenant, new_document, new_halt_after, clock_timestamp())
        on conflict (id) do nothing returning number into k;
    if k is null then
        return is_repeat and exists (
            select from run r where r.id = new_id and r.tenant = new_tenant and r.document = new_document
        );
    end if;
    insert into run_row (run, place, wave, document)
        select k, n.nth - 1, n.wave, n.document from unnest(waves, documents) with ordinality as n (wave, document, nth);
    return true;
end $body$;

-- Halts a run. The first reason stays.
create function @schema@.run_halt(run_id text, reason text) returns void
language plpgsql set search_path = pg_catalog, @schema@, pg_temp as $body$
begin
    perform store_prepare();
    -- This waits for departures under way, which hold the row of the run.
    update run r set halted = reason where r.id = run_id and r.halted is null;
end $body$;

-- Ends the halt of a run. The repeat of a call leaves a halt that came after it.
create function @schema@.run_reopen(run_id text, by_call uuid) returns void
language plpgsql set search_path = pg_catalog, @schema@, pg_temp as $body$
declare
    k bigint;
begin
    perform store_prepare();
    select r.number into k from run r where r.id = run_id for no key update;
    -- A statement of its own counts what was written while it waited.
    update run r set
        halted = null,
        reopened_by = by_call,
        failures_before = (select count(*) from run_row w where w.run = k and w.state in (4, 5))
        where r.number = k and r.reopened_by is distinct from by_call;
end $body$;

-- Claims free rows: first those that may have been sent, then planned rows of the open wave. The lease is in microseconds. A repeat first
-- frees the rows of the lost response: the worker does not know them, and would renew their leases.
create function @schema@.run_claim(
    run_id text,
    by_worker uuid,
    lease bigint,
    at_most bigint,
    by_call uuid,
    is_repeat boolean
) returns table (place bigint, wave bigint, state integer, attempt bigint, document text)
language plpgsql set search_path = pg_catalog, @schema@, pg_temp as $body$
#variable_conflict use_column
declare
    k bigint;
    is_halted boolean;
    open_wave bigint;
    t timestamptz;
begin
    perform store_prepare();
    t := clock_timestamp();
    select r.number, r.halted is not null into k, is_halted from run r where r.id = run_id;
    if is_repeat then
        -- See run_renew.
        perform from run r where r.number = k for share;
        update run_row w set lease_until = '-infinity'
            where w.run = k and w.worker = by_worker and w.call = by_call and w.state < 3;
    end if;
    select min(w.wave) into open_wave from run_row w where w.run = k and w.state < 3;
    return query
        with free as materialized (
            select w.place from run_row w
                where w.run = k and w.lease_until <= t
                and (w.state in (1, 2) or w.state = 0 and not is_halted and w.wave = open_wave)
                order by w.state = 0, w.place limit at_most for update skip locked
        ), claimed as (
            update run_row w set worker = by_worker, call = by_call, lease_until = t + lease * interval '1 microsecond'
                from free where w.run = k and w.place = free.place
                returning w.place, w.wave, w.state, w.attempt, w.document
        )
        select c.place, c.wave, c.state::integer, c.attempt, c.document from claimed c order by c.state = 0, c.place;
end $body$;

-- Begins the leases of a worker anew, and returns the number of its rows.
create function @schema@.run_renew(run_id text, by_worker uuid, lease bigint) returns bigint
language plpgsql set search_path = pg_catalog, @schema@, pg_temp as $body$
declare
    k bigint;
    renewed bigint;
begin
    perform store_prepare();
    -- Whoever changes several rows of a run locks its row before, so that they wait for each other in one order.
    select r.number into k from run r where r.id = run_id for share;
    update run_row w set lease_until = clock_timestamp() + lease * interval '1 microsecond'
        where w.run = k and w.worker = by_worker and w.state < 3 and w.lease_until > '-infinity';
    get diagnostics renewed = row_count;
    return renewed;
end $body$;

-- Lets a row depart. The result is 0 for go, 1 for a halted run, and 2 for a row that the worker does not have in this attempt.
create function @schema@.run_depart(run_id text, of_place bigint, by_worker uuid, of_attempt bigint) returns integer
language plpgsql set search_path = pg_catalog, @schema@, pg_temp as $body$
declare
    k bigint;
    is_halted boolean;
begin
    perform store_prepare();
    -- A halt waits for this lock, so that no row departs after it.
    select r.number, r.halted is not null into k, is_halted from run r where r.id = run_id for share;
    if is_halted then
        return case when exists (
            select from run_row w where w.run = k and w.place = of_place and w.worker = by_worker and w.attempt = of_attempt
            and w.state in (0, 1)
        ) then 1 else 2 end;
    end if;
    update run_row w set state = 1
        where w.run = k and w.place = of_place and w.worker = by_worker and w.attempt = of_attempt and w.state in (0, 1);
    return case when found then 0 else 2 end;
end $body$;

-- Writes a row, and halts the run if too many rows have failed. The result is null for a row that the worker does not have in this
-- attempt, and else whether the run is halted.
create function @schema@.run_write(
    run_id text,
    of_place bigint,
    by_worker uuid,
    of_attempt bigint,
    new_state integer,
    new_document text
) returns boolean
language plpgsql set search_path = pg_catalog, @schema@, pg_temp as $body$
declare
    k bigint;
    is_halted boolean;
    most bigint;
    before bigint;
    failures bigint;
begin
    perform store_prepare();
    if new_state in (4, 5) then
        -- Of two rows that fail at once, the second must count the first.
        select r.number into k from run r where r.id = run_id for no key update;
    else
        select r.number into k from run r where r.id = run_id;
    end if;
    update run_row w set
        state = new_state,
        document = new_document,
        lease_until = case when new_state in (1, 2) then w.lease_until else '-infinity' end
        where w.run = k and w.place = of_place and w.worker = by_worker and w.attempt = of_attempt and w.state < 3;
    if not found and not exists (
        select from run_row w where w.run = k and w.place = of_place and w.worker = by_worker and w.attempt = of_attempt
        and w.state >= 3 and w.state = new_state and w.document = new_document
    ) then
        return null;
    end if;
    select r.halted is not null, r.halt_after, r.failures_before into is_halted, most, before from run r where r.number = k;
    if not is_halted and most is not null then
        select count(*) into failures from run_row w where w.run = k and w.state in (4, 5);
        if greatest(failures - before, 0) >= most then
            update run r set
                halted = failures || ' of ' || (select count(*) from run_row w where w.run = k) || ' rows failed'
                where r.number = k and r.halted is null;
            is_halted := true;
        end if;
    end if;
    return is_halted;
end $body$;

-- Plans failed and unknown rows again that are in these attempts, and returns their number. A repeat also counts the rows that the call of
-- the lost response has planned, and plans no row that has failed in its next attempt.
create function @schema@.run_retry(run_id text, places bigint[], attempts bigint[], is_repeat boolean) returns bigint
language plpgsql set search_path = pg_catalog, @schema@, pg_temp as $body$
declare
    k bigint;
    before bigint := 0;
    retried bigint;
begin
    perform store_prepare();
    select r.number into k from run r where r.id = run_id for no key update;
    if is_repeat then
        select count(*) into before from run_row w join unnest(places, attempts) as e (place, attempt)
            on w.place = e.place and w.attempt = e.attempt + 1 where w.run = k;
    end if;
    update run_row w set state = 0, attempt = w.attempt + 1, worker = null, lease_until = '-infinity'
        from unnest(places, attempts) as e (place, attempt)
        where w.run = k and w.place = e.place and w.attempt = e.attempt and w.state in (4, 5);
    get diagnostics retried = row_count;
    update run r set
        failures_before = least(r.failures_before, (select count(*) from run_row w where w.run = k and w.state in (4, 5)))
        where r.number = k;
    return before + retried;
end $body$;
