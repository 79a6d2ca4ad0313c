-- The ledger: events, and everything that is committed together with them.
--
-- Every table leads with account_id and no table shares a row, a sequence or a lock between accounts, so
-- everything here distributes by that column. The owner of these tables migrates; the application's role
-- can read them, and writes only through the functions of the next migrations.

CREATE SCHEMA iamledger;

-- Domains, where a CHECK would do: that of a table is parsed again by each statement that writes there, a domain's once a
-- session.
CREATE DOMAIN iamledger.account_number AS text CHECK (length(VALUE) = 12 AND translate(VALUE, '0123456789', '') = '');
CREATE DOMAIN iamledger.named_values AS jsonb CHECK (jsonb_typeof(VALUE) = 'object');
CREATE DOMAIN iamledger.ledger_position AS bigint CHECK (VALUE > 0);

-- The head row of each account's ledger. Appends to one account are serialised by its row lock, which is what
-- makes positions free of gaps and equal to the order of commits.
CREATE TABLE iamledger.ledgers (
    account_id   iamledger.account_number PRIMARY KEY,
    head         bigint      NOT NULL,      -- the last position, 0 in an empty ledger
    recorded_at  timestamptz NOT NULL       -- of the last event; rises strictly
) WITH (fillfactor = 50);                   -- room for heap-only updates

CREATE TABLE iamledger.events (
    account_id   text        NOT NULL,
    position     bigint      NOT NULL CHECK (position > 0),
    recorded_at  timestamptz NOT NULL,
    type         text        NOT NULL,      -- the stored name, independent of any module
    version      smallint    NOT NULL,
    has_personal boolean     NOT NULL,      -- some values below are digests; see personal
    tags         text[]      NOT NULL,
    context      jsonb       NOT NULL,      -- who, from where, with which request, why
    data         jsonb       NOT NULL,
    leaf_hash    bytea       NOT NULL,      -- RFC 6962 leaf hash of the entry; see append
    PRIMARY KEY (account_id, position)
);

-- The tags again, one row each: how a decision finds the events of its consistency boundary. Type stands before
-- position, so that a boundary reads only the types that its nouns evolve on.
CREATE TABLE iamledger.event_tags (
    account_id   text        NOT NULL,
    tag          text        NOT NULL,
    type         text        NOT NULL,
    position     bigint      NOT NULL,
    PRIMARY KEY (account_id, tag, type, position)
);

-- Personal values stand beside their event, which holds and hashes only their salted digests. Deleting a row
-- makes the values unreadable for good, while every hash still verifies.
CREATE TABLE iamledger.personal (
    account_id   text        NOT NULL,
    position     bigint      NOT NULL,
    salt         bytea       NOT NULL,
    context      iamledger.named_values NOT NULL,
    data         iamledger.named_values NOT NULL,
    PRIMARY KEY (account_id, position)
);

-- One row for every command that appended something: a repeat finds its first outcome here.
CREATE TABLE iamledger.requests (
    account_id   text        NOT NULL,
    request_id   text        NOT NULL,
    fingerprint  text        NOT NULL,      -- of the command and its wishes
    first        iamledger.ledger_position NOT NULL,
    last         iamledger.ledger_position NOT NULL,  -- not before first: append sees to it, and a replay
    PRIMARY KEY (account_id, request_id)
);

-- Secret access keys and the like, sealed with the account's data key. Deleted when the credential is revoked.
CREATE TABLE iamledger.secrets (
    account_id   text        NOT NULL,
    credential   text        NOT NULL,
    kind         text        NOT NULL,
    sealed       bytea       NOT NULL,      -- nonce, then AES-GCM of the secret; bound to the other columns
    PRIMARY KEY (account_id, credential, kind)
);

CREATE TABLE iamledger.data_keys (
    account_id    text       PRIMARY KEY,
    master_key_id text       NOT NULL,      -- which master key wrapped it, for a clear error
    wrapped       bytea      NOT NULL
);

-- The second lock on immutability. The first is that the application's role has no right to try.
CREATE FUNCTION iamledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'iamledger.% is append-only: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON iamledger.events
    FOR EACH STATEMENT EXECUTE FUNCTION iamledger.refuse_change();
CREATE TRIGGER immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON iamledger.event_tags
    FOR EACH STATEMENT EXECUTE FUNCTION iamledger.refuse_change();
CREATE TRIGGER immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON iamledger.requests
    FOR EACH STATEMENT EXECUTE FUNCTION iamledger.refuse_change();
