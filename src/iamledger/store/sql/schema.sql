-- The schema that all migrations together give: to read, not to run. Made by scripts/schema.

CREATE SCHEMA iamledger;

CREATE SCHEMA iamledger_projections;

CREATE DOMAIN iamledger.account_number AS text
	CONSTRAINT account_number_check CHECK (((length(VALUE) = 12) AND (translate(VALUE, '0123456789'::text, ''::text) = ''::text)));

CREATE DOMAIN iamledger.ledger_position AS bigint
	CONSTRAINT ledger_position_check CHECK ((VALUE > 0));

CREATE DOMAIN iamledger.named_values AS jsonb
	CONSTRAINT named_values_check CHECK ((jsonb_typeof(VALUE) = 'object'::text));

CREATE FUNCTION iamledger.append(p_account text, p_events jsonb, p_request text, p_fingerprint text, p_boundary jsonb, p_after bigint, p_opens boolean, p_secrets jsonb) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

CREATE FUNCTION iamledger.boundary(p_account text, p_request text, p_items jsonb) RETURNS TABLE(head bigint, now timestamp with time zone, fingerprint text, first bigint, last bigint, "position" bigint, type text, data text)
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
    SELECT l.head INTO head FROM iamledger.ledgers l WHERE l.account_id = p_account;
    now := clock_timestamp();
    SELECT r.fingerprint, r.first, r.last INTO fingerprint, first, last
      FROM iamledger.requests r WHERE r.account_id = p_account AND r.request_id = p_request;
    RETURN NEXT;
    RETURN QUERY
    SELECT NULL::bigint, NULL::timestamptz, NULL, NULL::bigint, NULL::bigint, e.position, e.type, e.data::text
      FROM (SELECT DISTINCT m FROM iamledger.matching(p_account, p_items, 0) m) AS found(position)
      -- One look-up each, whatever the planner knows of the table: OFFSET 0 keeps it from scanning the account.
     CROSS JOIN LATERAL (SELECT * FROM iamledger.recorded r
                          WHERE r.account_id = p_account AND r.position = found.position OFFSET 0) AS e
     ORDER BY e.position;
END $$;

CREATE FUNCTION iamledger.carries(p_account text, p_position bigint, p_tags jsonb) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT jsonb_array_length(p_tags) = 0
        OR EXISTS (SELECT FROM iamledger.events e
                    WHERE e.account_id = p_account AND e.position = p_position
                      AND to_jsonb(e.tags) @> p_tags)
$$;

CREATE FUNCTION iamledger.erase(p_account text, p_position bigint) RETURNS boolean
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    WITH erased AS (
        DELETE FROM iamledger.personal WHERE account_id = p_account AND position = p_position RETURNING 1
    )
    SELECT EXISTS (SELECT FROM erased)
$$;

CREATE FUNCTION iamledger.is_digest(p_value jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $_$
    SELECT p_value ? 'digest' AND p_value::text ~ '^{"digest": "[0-9a-f]{64}"}$'
$_$;

CREATE FUNCTION iamledger.iso(p_time timestamp with time zone) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT to_char(p_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

CREATE FUNCTION iamledger.leaf_hash(p_account text, p_body text, p_position bigint, p_time timestamp with time zone) RETURNS bytea
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
    SELECT sha256(decode('00', 'hex') || convert_to(
        '{"account":"' || p_account || '","body":"' || p_body || '","position":' || p_position || ',"recorded_at":"'
        || iamledger.iso(p_time) || '","v":1}', 'UTF8'))
$$;

CREATE FUNCTION iamledger.magnitude(p_length bigint) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
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

CREATE FUNCTION iamledger.matching(p_account text, p_items jsonb, p_after bigint) RETURNS SETOF bigint
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    AS $$
DECLARE
    v_item  jsonb;
    v_tag   text;
    v_type  text;
    v_other jsonb;
BEGIN
    IF jsonb_array_length(p_items) = 0 THEN
        RETURN QUERY SELECT e.position FROM iamledger.events e
                      WHERE e.account_id = p_account AND e.position > p_after;
    END IF;
    FOR v_item IN SELECT jsonb_array_elements(p_items) LOOP
        v_tag   := v_item->'tags'->>0;
        v_other := (v_item->'tags') - 0;
        IF v_tag IS NULL THEN
            RETURN QUERY SELECT e.position FROM iamledger.events e
                          WHERE e.account_id = p_account AND e.position > p_after
                            AND (jsonb_array_length(v_item->'types') = 0 OR v_item->'types' ? e.type);
        ELSIF jsonb_array_length(v_item->'types') = 0 THEN
            RETURN QUERY SELECT t.position FROM iamledger.event_tags t
                          WHERE t.account_id = p_account AND t.tag = v_tag AND t.position > p_after
                            AND iamledger.carries(p_account, t.position, v_other);
        ELSE
            FOR v_type IN SELECT jsonb_array_elements_text(v_item->'types') LOOP
                RETURN QUERY SELECT t.position FROM iamledger.event_tags t
                              WHERE t.account_id = p_account AND t.tag = v_tag AND t.type = v_type
                                AND t.position > p_after
                                AND iamledger.carries(p_account, t.position, v_other);
            END LOOP;
        END IF;
    END LOOP;
END $$;

CREATE FUNCTION iamledger.position_at(p_account text, p_time timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
DECLARE
    v_ledger iamledger.ledgers;
    v_low    bigint := 0;       -- recorded at or before the time, or 0
    v_high   bigint;            -- recorded after it
    v_middle bigint;
BEGIN
    IF p_time >= clock_timestamp() THEN
        RAISE EXCEPTION '% has not come yet', p_time USING ERRCODE = 'IL006';
    END IF;
    SELECT * INTO v_ledger FROM iamledger.ledgers WHERE account_id = p_account;
    IF v_ledger.recorded_at < p_time THEN
        SELECT * INTO v_ledger FROM iamledger.ledgers WHERE account_id = p_account FOR SHARE;
    END IF;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no ledger for account %', p_account USING ERRCODE = 'IL003';
    ELSIF v_ledger.recorded_at <= p_time THEN
        RETURN v_ledger.head;
    END IF;
    v_high := v_ledger.head;
    WHILE v_high - v_low > 1 LOOP
        v_middle := (v_low + v_high) / 2;
        IF (SELECT recorded_at FROM iamledger.events WHERE account_id = p_account AND position = v_middle) <= p_time THEN
            v_low := v_middle;
        ELSE
            v_high := v_middle;
        END IF;
    END LOOP;
    RETURN v_low;
END $$;

CREATE FUNCTION iamledger.readable(p_data jsonb, p_has_personal boolean, p_personal jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT CASE
        WHEN NOT p_has_personal OR jsonb_typeof(p_data) <> 'object' THEN p_data
        WHEN jsonb_typeof(p_personal) = 'object' THEN p_data || p_personal
        ELSE (SELECT coalesce(jsonb_object_agg(key, CASE WHEN iamledger.is_digest(value) THEN 'null' ELSE value END), '{}')
                FROM jsonb_each(p_data))
    END
$$;

CREATE FUNCTION iamledger.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'iamledger.% is append-only: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE AGGREGATE iamledger.merged(jsonb) (
    SFUNC = jsonb_concat,
    STYPE = jsonb,
    INITCOND = '{}',
    PARALLEL = safe
);

CREATE TABLE iamledger.data_keys (
    account_id text NOT NULL,
    master_key_id text NOT NULL,
    wrapped bytea NOT NULL
);

CREATE TABLE iamledger.event_tags (
    account_id text NOT NULL,
    tag text NOT NULL,
    type text NOT NULL,
    "position" bigint NOT NULL
);

CREATE TABLE iamledger.events (
    account_id text NOT NULL,
    "position" bigint NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    type text NOT NULL,
    version smallint NOT NULL,
    has_personal boolean NOT NULL,
    tags text[] NOT NULL,
    context jsonb NOT NULL,
    data jsonb NOT NULL,
    leaf_hash bytea NOT NULL,
    CONSTRAINT events_position_check CHECK (("position" > 0))
);

CREATE TABLE iamledger.ledgers (
    account_id iamledger.account_number NOT NULL,
    head bigint NOT NULL,
    recorded_at timestamp with time zone NOT NULL
)
WITH (fillfactor='50');

CREATE TABLE iamledger.personal (
    account_id text NOT NULL,
    "position" bigint NOT NULL,
    salt bytea NOT NULL,
    context iamledger.named_values NOT NULL,
    data iamledger.named_values NOT NULL
);

CREATE TABLE iamledger.projection_positions (
    account_id text NOT NULL,
    projection text NOT NULL,
    generation integer NOT NULL,
    "position" bigint NOT NULL,
    failed bigint,
    reason text
)
WITH (fillfactor='50');

CREATE TABLE iamledger.projections (
    name text NOT NULL,
    generation integer NOT NULL,
    declaration text NOT NULL
);

CREATE VIEW iamledger.recorded AS
 SELECT e.account_id,
    e."position",
    e.recorded_at,
    e.type,
    e.version,
    e.tags,
    iamledger.readable(e.context, e.has_personal, (p.context)::jsonb) AS context,
    iamledger.readable(e.data, e.has_personal, (p.data)::jsonb) AS data
   FROM (iamledger.events e
     LEFT JOIN iamledger.personal p USING (account_id, "position"));

CREATE TABLE iamledger.requests (
    account_id text NOT NULL,
    request_id text NOT NULL,
    fingerprint text NOT NULL,
    first iamledger.ledger_position NOT NULL,
    last iamledger.ledger_position NOT NULL
);

CREATE TABLE iamledger.secrets (
    account_id text NOT NULL,
    credential text NOT NULL,
    kind text NOT NULL,
    sealed bytea NOT NULL
);

CREATE TABLE public.iamledger_migrations (
    number integer NOT NULL,
    name text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE ONLY iamledger.data_keys
    ADD CONSTRAINT data_keys_pkey PRIMARY KEY (account_id);

ALTER TABLE ONLY iamledger.event_tags
    ADD CONSTRAINT event_tags_pkey PRIMARY KEY (account_id, tag, type, "position");

ALTER TABLE ONLY iamledger.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (account_id, "position");

ALTER TABLE ONLY iamledger.ledgers
    ADD CONSTRAINT ledgers_pkey PRIMARY KEY (account_id);

ALTER TABLE ONLY iamledger.personal
    ADD CONSTRAINT personal_pkey PRIMARY KEY (account_id, "position");

ALTER TABLE ONLY iamledger.projection_positions
    ADD CONSTRAINT projection_positions_pkey PRIMARY KEY (account_id, projection, generation);

ALTER TABLE ONLY iamledger.projections
    ADD CONSTRAINT projections_pkey PRIMARY KEY (name);

ALTER TABLE ONLY iamledger.requests
    ADD CONSTRAINT requests_pkey PRIMARY KEY (account_id, request_id);

ALTER TABLE ONLY iamledger.secrets
    ADD CONSTRAINT secrets_pkey PRIMARY KEY (account_id, credential, kind);

ALTER TABLE ONLY public.iamledger_migrations
    ADD CONSTRAINT iamledger_migrations_pkey PRIMARY KEY (number);

CREATE TRIGGER immutable BEFORE DELETE OR UPDATE OR TRUNCATE ON iamledger.event_tags FOR EACH STATEMENT EXECUTE FUNCTION iamledger.refuse_change();

CREATE TRIGGER immutable BEFORE DELETE OR UPDATE OR TRUNCATE ON iamledger.events FOR EACH STATEMENT EXECUTE FUNCTION iamledger.refuse_change();

CREATE TRIGGER immutable BEFORE DELETE OR UPDATE OR TRUNCATE ON iamledger.requests FOR EACH STATEMENT EXECUTE FUNCTION iamledger.refuse_change();

GRANT USAGE ON SCHEMA iamledger TO iamledger_app;

GRANT ALL ON SCHEMA iamledger_projections TO iamledger_app;

REVOKE ALL ON FUNCTION iamledger.append(p_account text, p_events jsonb, p_request text, p_fingerprint text, p_boundary jsonb, p_after bigint, p_opens boolean, p_secrets jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION iamledger.append(p_account text, p_events jsonb, p_request text, p_fingerprint text, p_boundary jsonb, p_after bigint, p_opens boolean, p_secrets jsonb) TO iamledger_app;

REVOKE ALL ON FUNCTION iamledger.boundary(p_account text, p_request text, p_items jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION iamledger.boundary(p_account text, p_request text, p_items jsonb) TO iamledger_app;

REVOKE ALL ON FUNCTION iamledger.carries(p_account text, p_position bigint, p_tags jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION iamledger.carries(p_account text, p_position bigint, p_tags jsonb) TO iamledger_app;

REVOKE ALL ON FUNCTION iamledger.erase(p_account text, p_position bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION iamledger.erase(p_account text, p_position bigint) TO iamledger_app;

REVOKE ALL ON FUNCTION iamledger.is_digest(p_value jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION iamledger.is_digest(p_value jsonb) TO iamledger_app;

REVOKE ALL ON FUNCTION iamledger.iso(p_time timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION iamledger.iso(p_time timestamp with time zone) TO iamledger_app;

REVOKE ALL ON FUNCTION iamledger.leaf_hash(p_account text, p_body text, p_position bigint, p_time timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION iamledger.leaf_hash(p_account text, p_body text, p_position bigint, p_time timestamp with time zone) TO iamledger_app;

REVOKE ALL ON FUNCTION iamledger.magnitude(p_length bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION iamledger.magnitude(p_length bigint) TO iamledger_app;

REVOKE ALL ON FUNCTION iamledger.matching(p_account text, p_items jsonb, p_after bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION iamledger.matching(p_account text, p_items jsonb, p_after bigint) TO iamledger_app;

REVOKE ALL ON FUNCTION iamledger.position_at(p_account text, p_time timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION iamledger.position_at(p_account text, p_time timestamp with time zone) TO iamledger_app;

REVOKE ALL ON FUNCTION iamledger.readable(p_data jsonb, p_has_personal boolean, p_personal jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION iamledger.readable(p_data jsonb, p_has_personal boolean, p_personal jsonb) TO iamledger_app;

REVOKE ALL ON FUNCTION iamledger.refuse_change() FROM PUBLIC;
GRANT ALL ON FUNCTION iamledger.refuse_change() TO iamledger_app;

REVOKE ALL ON FUNCTION iamledger.merged(jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION iamledger.merged(jsonb) TO iamledger_app;

GRANT SELECT ON TABLE iamledger.data_keys TO iamledger_app;

GRANT SELECT ON TABLE iamledger.event_tags TO iamledger_app;

GRANT SELECT ON TABLE iamledger.events TO iamledger_app;

GRANT SELECT ON TABLE iamledger.ledgers TO iamledger_app;

GRANT SELECT ON TABLE iamledger.personal TO iamledger_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE iamledger.projection_positions TO iamledger_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE iamledger.projections TO iamledger_app;

GRANT SELECT ON TABLE iamledger.recorded TO iamledger_app;

GRANT SELECT ON TABLE iamledger.requests TO iamledger_app;

GRANT SELECT ON TABLE iamledger.secrets TO iamledger_app;

GRANT SELECT ON TABLE public.iamledger_migrations TO PUBLIC;
