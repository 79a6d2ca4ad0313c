-- Positions of the events that match a query of the dynamic consistency boundary.
--
--   p_items  a JSON array of {"types": [...], "tags": [...]}; an event matches an item if its type is listed (or
--            none is) and it carries all the tags; it matches the query if it matches any item. An empty
--            array matches every event.
--   p_after  only positions above this one
--
-- Scalars in loops, since a list parameter would be planned anew at every call.
CREATE FUNCTION iamledger.matching(p_account text, p_items jsonb, p_after bigint) RETURNS SETOF bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
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

-- Does the event at this position carry all these tags (a JSON array, often empty)?
CREATE FUNCTION iamledger.carries(p_account text, p_position bigint, p_tags jsonb) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT jsonb_array_length(p_tags) = 0
        OR EXISTS (SELECT FROM iamledger.events e
                    WHERE e.account_id = p_account AND e.position = p_position
                      AND to_jsonb(e.tags) @> p_tags)
$$;
