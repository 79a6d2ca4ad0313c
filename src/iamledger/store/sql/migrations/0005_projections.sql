-- The projections' registry. Their tables live in a schema of their own, created by the application: all of it
-- can be thrown away and rebuilt from the events.
CREATE SCHEMA iamledger_projections;
CREATE EXTENSION IF NOT EXISTS btree_gist;      -- for indexes on account and range of positions

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

-- Later documents win, key by key: how a revision carries the columns that it does not set.
CREATE AGGREGATE iamledger.merged(jsonb) (
    SFUNC = jsonb_concat, STYPE = jsonb, INITCOND = '{}', PARALLEL = SAFE
);

-- Lets a statement fail on a broken rule, naming the event.
CREATE FUNCTION iamledger.broken_rule(p_message text, p_position bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RAISE EXCEPTION '%', p_message USING ERRCODE = 'IL007', DETAIL = p_position;
END $$;
