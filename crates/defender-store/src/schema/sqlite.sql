-- Times are microseconds since 1970 by the clock of the host. Permits are 16 bytes.

create table quota_key (
    id integer primary key,
    name text not null unique,
    -- After a 429: no permit is granted before this time, and then one at a time until a probe was answered.
    closed_until integer,
    probe blob,
    probe_until integer
) strict;

-- Each limit that was asked with. `spare` is at most the number of free slots: a grant lowers it, and time only frees slots. So the
-- slots are counted only if it is used up.
create table quota_limit (
    key integer not null references quota_key,
    calls integer not null,
    per integer not null,
    spare integer not null,
    primary key (key, calls, per)
) strict, without rowid;

-- `base` is the end of the attempt, or the time at which the permit lapses. The slot is taken until `base` and the `per` of a limit.
create table quota_slot (
    key integer not null references quota_key,
    permit blob not null,
    base integer not null,
    under_way integer not null,
    primary key (key, permit)
) strict, without rowid;

create index quota_slot_base on quota_slot (key, base);
