-- Does a digest stand here in the place of a personal value?
CREATE FUNCTION iamledger.is_digest(p_value jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT p_value ? 'digest' AND p_value::text ~ '^{"digest": "[0-9a-f]{64}"}$'
$$;

-- What readers see: events with their personal values put back, or null where they were erased.
-- Only the entries of an object can be personal; anything else stays as it is.
CREATE FUNCTION iamledger.readable(p_data jsonb, p_has_personal boolean, p_personal jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN NOT p_has_personal OR jsonb_typeof(p_data) <> 'object' THEN p_data
        WHEN jsonb_typeof(p_personal) = 'object' THEN p_data || p_personal
        ELSE (SELECT coalesce(jsonb_object_agg(key, CASE WHEN iamledger.is_digest(value) THEN 'null' ELSE value END), '{}')
                FROM jsonb_each(p_data))
    END
$$;

CREATE VIEW iamledger.recorded AS
SELECT e.account_id, e.position, e.recorded_at, e.type, e.version, e.tags,
       iamledger.readable(e.context, e.has_personal, p.context) AS context,
       iamledger.readable(e.data, e.has_personal, p.data) AS data
  FROM iamledger.events e LEFT JOIN iamledger.personal p USING (account_id, position);

-- All that a decision starts from, in one snapshot: the head, the server's time, what became of this request before,
-- and the events of the boundary (see matching) in their order: one row each after a first row of all the rest. Together
-- they may be larger than any one value can be.
CREATE FUNCTION iamledger.boundary(p_account text, p_request text, p_items jsonb)
RETURNS TABLE (
    head bigint, now timestamptz, fingerprint text, first bigint, last bigint, "position" bigint, type text, data text
) LANGUAGE plpgsql STABLE AS $$
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

-- The last position recorded at or before a time. Errors: IL003 no such ledger; IL006 the time has not come yet.
--
-- A time beyond the head is answered under a shared lock on the head: an append that is under way has been waited for,
-- and a later one gets a later time, so the same question never has two answers.
CREATE FUNCTION iamledger.position_at(p_account text, p_time timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
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
