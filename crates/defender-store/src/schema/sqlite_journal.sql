-- Times are microseconds since 1970 by the clock of the host. Holders are 16 bytes.

-- `api` and `tenant` are the scope; both are empty if the intent does not name it. `intent`, `outcome` and `last` are JSON.
create table entry (
    id integer primary key,
    key text not null unique,
    api text not null,
    tenant text not null,
    -- 0 intended, 1 submitted, 2 not sent, 3 refused, 4 unknown.
    state integer not null,
    intent text not null,
    -- Version of the form of the intent.
    version integer not null,
    holder blob not null,
    lease_until integer not null,
    tries integer not null default 0,
    -- Of an action: its id in lower case, and 1 created, 2 joined, 3 recovered.
    action_id text,
    origin integer,
    outcome text,
    last text,
    intended_at integer not null,
    settled_at integer,
    finished_at integer
) strict;

-- An action is that of one entry, unless it was joined.
create unique index entry_claim on entry (api, tenant, action_id) where origin in (1, 3);

create index entry_open on entry (lease_until) where state = 0;

-- For the retention. An intent writes nothing here.
create index entry_settled on entry (settled_at) where state in (1, 2, 3);
