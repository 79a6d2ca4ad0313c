-- A time as every stored form writes it: UTC, ISO 8601, always six digits of a second.
CREATE FUNCTION iamledger.iso(p_time timestamptz) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT to_char(p_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

-- The RFC 6962 leaf hash of an event: SHA-256 over a zero byte and the entry, which is the canonical JSON (RFC 8785)
-- of {account, body, position, recorded_at, v}.
CREATE FUNCTION iamledger.leaf_hash(p_account text, p_body text, p_position bigint, p_time timestamptz) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT sha256(decode('00', 'hex') || convert_to(
        '{"account":"' || p_account || '","body":"' || p_body || '","position":' || p_position || ',"recorded_at":"'
        || iamledger.iso(p_time) || '","v":1}', 'UTF8'))
$$;

-- Appends the whole effect of one command, or nothing: events, tags, personal values, the request's row, secrets.
--
--   p_events       JSON array of {type, version, tags, context, data, body, personal}; body is the SHA-256 (hex) of
--                  the canonical JSON of {context, data, tags, type, version}; personal is null or {salt, context, data}
--   p_boundary     the query that must have no match above p_after (see matching), or null for no condition
--   p_opens        the account's first append: creates its ledger
--   p_secrets      null, or {data_key: {master_key_id, wrapped}, put: [{credential, kind, sealed}], delete: [credential]};
--                  bytes in base64
--
-- Errors: IL001 the request id was used before; IL002 the condition failed; IL003 no such ledger; IL004 the ledger
-- exists already; IL005 the server's clock is more than five minutes behind the ledger's head; check_violation for no
-- event at all, or a body that is no hash.
--
-- The head's lock is taken in one statement and the condition checked in a later one. Were both in one statement, the
-- check would run on the snapshot from before the wait, and the conflicting event would be written.
-- The clock is read after the lock was obtained, too. An UPDATE computes its values before it waits for a row, so its own
-- time could lie before one that position_at has answered for during the wait.
CREATE FUNCTION iamledger.append(
    p_account text, p_events jsonb, p_request text, p_fingerprint text,
    p_boundary jsonb, p_after bigint, p_opens boolean, p_secrets jsonb,
    OUT first bigint, OUT last bigint, OUT recorded_at timestamptz
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_count CONSTANT integer := jsonb_array_length(p_events);
    v_start timestamptz;        -- recorded_at of the first event
    v_body  text;
BEGIN
    IF v_count IS NULL OR v_count < 1 THEN
        RAISE EXCEPTION 'an append needs events' USING ERRCODE = 'check_violation';
    END IF;
    FOR n IN 0 .. v_count - 1 LOOP  -- without a statement or a regular expression, each of which would take longer
        v_body := p_events->n->>'body';
        IF (length(v_body) = 64 AND translate(v_body, '0123456789abcdef', '') = '') IS NOT TRUE THEN
            RAISE EXCEPTION 'an event needs the hash of its content' USING ERRCODE = 'check_violation';
        END IF;
    END LOOP;
    IF p_opens THEN
        INSERT INTO iamledger.ledgers VALUES (p_account, 0, '-infinity') ON CONFLICT DO NOTHING;
    END IF;
    PERFORM FROM iamledger.ledgers l WHERE l.account_id = p_account FOR NO KEY UPDATE;
    UPDATE iamledger.ledgers l
       SET head = l.head + v_count,
           recorded_at = greatest(clock_timestamp(), l.recorded_at + interval '1 microsecond')
                         + (v_count - 1) * interval '1 microsecond'
     WHERE l.account_id = p_account
    RETURNING l.head - v_count + 1, l.head, l.recorded_at INTO first, last, recorded_at;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no ledger for account %', p_account USING ERRCODE = 'IL003';
    ELSIF recorded_at > clock_timestamp() + interval '5 minutes' THEN
        RAISE EXCEPTION 'the database server''s clock is more than five minutes behind the ledger (%)', recorded_at
            USING ERRCODE = 'IL005';
    END IF;
    v_start := recorded_at - (v_count - 1) * interval '1 microsecond';

    INSERT INTO iamledger.requests VALUES (p_account, p_request, p_fingerprint, first, last) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'request % was recorded before', p_request USING ERRCODE = 'IL001';
    ELSIF p_opens AND first > 1 THEN
        RAISE EXCEPTION 'account % has a ledger already', p_account USING ERRCODE = 'IL004';
    ELSIF p_boundary IS NOT NULL AND first - 1 > coalesce(p_after, 0) THEN  -- mostly not: then nothing is executed
        IF EXISTS (SELECT FROM iamledger.matching(p_account, p_boundary, coalesce(p_after, 0))) THEN
            RAISE EXCEPTION 'an event of the consistency boundary came after position %', p_after
                USING ERRCODE = 'IL002';
        END IF;
    END IF;

    WITH entry AS MATERIALIZED (
        SELECT append.first + n - 1 AS position, v_start + (n - 1) * interval '1 microsecond' AS time, e
          FROM jsonb_array_elements(p_events) WITH ORDINALITY AS x(e, n)
    ), tagged AS (
        INSERT INTO iamledger.event_tags (account_id, tag, type, position)
        SELECT p_account, tag, e->>'type', position
          FROM entry, LATERAL (SELECT DISTINCT x.tag FROM jsonb_array_elements_text(e->'tags') AS x(tag)) AS tags
    ), personal AS (
        INSERT INTO iamledger.personal (account_id, position, salt, context, data)
        SELECT p_account, position, decode(e->'personal'->>'salt', 'hex'), e->'personal'->'context', e->'personal'->'data'
          FROM entry WHERE jsonb_typeof(e->'personal') = 'object'
    )
    INSERT INTO iamledger.events
        (account_id, position, recorded_at, type, version, has_personal, tags, context, data, leaf_hash)
    SELECT p_account, position, time, e->>'type', (e->>'version')::smallint, jsonb_typeof(e->'personal') = 'object',
           ARRAY(SELECT jsonb_array_elements_text(e->'tags')), e->'context', e->'data',
           iamledger.leaf_hash(p_account, e->>'body', position, time)
      FROM entry;

    IF p_secrets IS NOT NULL THEN
        INSERT INTO iamledger.data_keys (account_id, master_key_id, wrapped)
        SELECT p_account, k->>'master_key_id', decode(k->>'wrapped', 'base64')
          FROM (SELECT p_secrets->'data_key') AS d(k) WHERE jsonb_typeof(k) = 'object';
        INSERT INTO iamledger.secrets (account_id, credential, kind, sealed)
        SELECT p_account, s->>'credential', s->>'kind', decode(s->>'sealed', 'base64')
          FROM jsonb_array_elements(p_secrets->'put') AS s;
        DELETE FROM iamledger.secrets s USING jsonb_array_elements_text(p_secrets->'delete') AS d(credential)
         WHERE s.account_id = p_account AND s.credential = d.credential;
    END IF;
END $$;

-- Deletes the personal values of one event, for good. Returns whether there were any.
CREATE FUNCTION iamledger.erase(p_account text, p_position bigint) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH erased AS (
        DELETE FROM iamledger.personal WHERE account_id = p_account AND position = p_position RETURNING 1
    )
    SELECT EXISTS (SELECT FROM erased)
$$;
