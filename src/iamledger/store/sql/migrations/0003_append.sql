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
-- Returns the first and the last position, and the time of the last event, with spaces between: read from a function with
-- columns, they would take the server and the client a twentieth longer.
--
-- Errors: IL001 the request id was used before (unique_violation of requests_pkey means the same); IL002 the condition
-- failed; IL003 no such ledger; IL004 the ledger exists already; IL005 the server's clock is more than five minutes behind
-- the ledger's head; check_violation for no event at all, or an account that is not twelve digits; not_null_violation for
-- no array of events, or a body that is no hash.
--
-- The head's lock is taken in one statement and the condition checked in a later one. Were both in one statement, the
-- check would run on the snapshot from before the wait, and the conflicting event would be written.
-- The clock is read after the lock was obtained, too: ON CONFLICT DO UPDATE locks the row before it computes new values.
-- An UPDATE computes them before it waits for a row, so its time could lie before one that position_at has answered for
-- during the wait. So does an INSERT that waits for another of the same row and then goes on, since that was rolled back:
-- an opening reads the clock once more.
-- As few statements and expressions as can be: each is prepared for execution again by every call.
CREATE FUNCTION iamledger.append(
    p_account text, p_events jsonb, p_request text, p_fingerprint text,
    p_boundary jsonb, p_after bigint, p_opens boolean, p_secrets jsonb
) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_first bigint;
    v_last  bigint;
    v_time  timestamptz;  -- of the last event
BEGIN
    INSERT INTO iamledger.ledgers AS l (account_id, head, recorded_at)
    SELECT p_account, n, clock_timestamp() + (n - 1) * interval '1 microsecond'
      FROM jsonb_array_length(p_events) AS n
        ON CONFLICT (account_id) DO UPDATE
       SET head = l.head + excluded.head,
           recorded_at = greatest(clock_timestamp(), l.recorded_at + interval '1 microsecond')
                         + (excluded.head - 1) * interval '1 microsecond'
    RETURNING l.head - jsonb_array_length(p_events) + 1, l.head, l.recorded_at INTO v_first, v_last, v_time;

    IF v_first = 1 OR p_opens IS NOT FALSE
       OR v_first - 1 > coalesce(p_after, 0) AND p_boundary IS NOT NULL
       OR v_first > v_last
       OR v_time > clock_timestamp() + interval '5 minutes'
    THEN  -- what is mostly not so: an opening, or what may be an error
        IF v_first > v_last THEN
            RAISE EXCEPTION 'an append needs events' USING ERRCODE = 'check_violation';
        ELSIF v_first = 1 AND p_opens IS NOT TRUE THEN
            RAISE EXCEPTION 'no ledger for account %', p_account USING ERRCODE = 'IL003';
        ELSIF v_time > clock_timestamp() + interval '5 minutes' THEN
            RAISE EXCEPTION 'the database server''s clock is more than five minutes behind the ledger (%)', v_time
                USING ERRCODE = 'IL005';
        ELSIF EXISTS (SELECT FROM iamledger.requests WHERE account_id = p_account AND request_id = p_request) THEN
            RAISE EXCEPTION 'request % was recorded before', p_request USING ERRCODE = 'IL001';
        ELSIF p_opens AND v_first > 1 THEN
            RAISE EXCEPTION 'account % has a ledger already', p_account USING ERRCODE = 'IL004';
        ELSIF p_boundary IS NOT NULL
              AND EXISTS (SELECT FROM iamledger.matching(p_account, p_boundary, coalesce(p_after, 0))) THEN
            RAISE EXCEPTION 'an event of the consistency boundary came after position %', p_after
                USING ERRCODE = 'IL002';
        ELSIF v_first = 1 THEN
            UPDATE iamledger.ledgers AS l SET recorded_at = clock_timestamp() + (v_last - 1) * interval '1 microsecond'
             WHERE l.account_id = p_account RETURNING l.recorded_at INTO v_time;
        END IF;
    END IF;

    WITH entry AS MATERIALIZED (
        SELECT v_first + n - 1 AS position,
               v_time - (v_last - v_first + 1 - n) * interval '1 microsecond' AS time, e
          FROM jsonb_array_elements(p_events) WITH ORDINALITY AS x(e, n)
    ), request AS (
        INSERT INTO iamledger.requests VALUES (p_account, p_request, p_fingerprint, v_first, v_last)
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
           CASE WHEN length(e->>'body') = 64 AND translate(e->>'body', '0123456789abcdef', '') = ''
                THEN iamledger.leaf_hash(p_account, e->>'body', position, time) END
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
    RETURN v_first || ' ' || v_last || ' ' || iamledger.iso(v_time);
END $$;

-- Deletes the personal values of one event, for good. Returns whether there were any.
CREATE FUNCTION iamledger.erase(p_account text, p_position bigint) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH erased AS (
        DELETE FROM iamledger.personal WHERE account_id = p_account AND position = p_position RETURNING 1
    )
    SELECT EXISTS (SELECT FROM erased)
$$;
