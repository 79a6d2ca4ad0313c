-- The projections' registry. Their tables live in a schema of their own, created by the application: all of it
-- can be thrown away and rebuilt from the events.
CREATE SCHEMA iamledger_projections;

CREATE TABLE iamledger.projections (
    name         text        PRIMARY KEY,
    generation   integer     NOT NULL,      -- the live one: readers see the table <name>_<generation>
    declaration  text        NOT NULL       -- digest of the rules it was built by
);

-- How far each generation has come with each account; committed together with the rows.
CREATE TABLE iamledger.projection_positions (
    account_id   text        NOT NULL,
    projection   text        NOT NULL,
    generation   integer     NOT NULL,
    position     bigint      NOT NULL,
    failed       bigint,                    -- the event that it stopped before, and why
    reason       text,
    PRIMARY KEY (account_id, projection, generation)
) WITH (fillfactor = 50);

-- The power of two that a length reaches, which is 1 or more: 0 for 1, 1 for 2 and 3, 2 for 4 to 7. Ended rows are indexed by
-- it, so that those of any past position are found in a B-tree.
CREATE FUNCTION iamledger.magnitude(p_length bigint) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT width_bucket(p_length, '{2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072, 262144,
        524288, 1048576, 2097152, 4194304, 8388608, 16777216, 33554432, 67108864, 134217728, 268435456,
        536870912, 1073741824, 2147483648, 4294967296, 8589934592, 17179869184, 34359738368,
        68719476736, 137438953472, 274877906944, 549755813888, 1099511627776, 2199023255552,
        4398046511104, 8796093022208, 17592186044416, 35184372088832, 70368744177664, 140737488355328,
        281474976710656, 562949953421312, 1125899906842624, 2251799813685248, 4503599627370496,
        9007199254740992, 18014398509481984, 36028797018963968, 72057594037927936, 144115188075855872,
        288230376151711744, 576460752303423488, 1152921504606846976, 2305843009213693952,
        4611686018427387904}'::bigint[])
$$;

-- Later documents win, key by key: how a revision carries the columns that it does not set.
CREATE AGGREGATE iamledger.merged(jsonb) (
    SFUNC = jsonb_concat, STYPE = jsonb, INITCOND = '{}', PARALLEL = SAFE
);
