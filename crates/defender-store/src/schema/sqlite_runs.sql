-- Times are microseconds since 1970 by the clock of the host. Workers are 16 bytes.

create table run (
    -- In the order of creation.
    number integer primary key,
    id text not null unique,
    tenant text not null,
    document text not null,
    halt_after integer,
    -- Reason of the halt.
    halted text,
    -- Failed and unknown rows that do not count any more.
    failures_before integer not null default 0,
    created_at integer not null
) strict;

create table run_row (
    run integer not null references run,
    -- Index of the row.
    place integer not null,
    wave integer not null,
    -- 0 planned, 1 sending, 2 submitted, 3 succeeded, 4 failed, 5 unknown.
    state integer not null default 0,
    attempt integer not null default 1,
    document text not null,
    worker blob,
    -- The row is free from this time on. The default is that of a row without a lease, which no renewal begins.
    lease_until integer not null default 0,
    primary key (run, place)
) strict;

create index run_row_open on run_row (run, wave) where state < 3;

create index run_row_failed on run_row (run) where state in (4, 5);
