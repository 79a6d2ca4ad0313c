-- The application's role: reads everything, writes events only through append, and owns nothing but projections.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'iamledger_app') THEN
        CREATE ROLE iamledger_app NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;  -- another database of this server was migrated at the same moment
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA iamledger FROM PUBLIC;
GRANT USAGE ON SCHEMA iamledger TO iamledger_app;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA iamledger TO iamledger_app;
GRANT SELECT ON ALL TABLES IN SCHEMA iamledger TO iamledger_app;
GRANT INSERT, UPDATE, DELETE ON iamledger.projections, iamledger.projection_positions TO iamledger_app;
GRANT USAGE, CREATE ON SCHEMA iamledger_projections TO iamledger_app;
