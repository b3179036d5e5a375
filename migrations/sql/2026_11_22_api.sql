-- What API posts leave beside the books: notes that decide no money.

CREATE TABLE usage_notes (
    usage_id uuid PRIMARY KEY,
    resource_id text CHECK (length(resource_id) BETWEEN 1 AND 255),
    metadata jsonb
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON usage_notes FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON usage_notes FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON usage_notes TO chargeback_app;
CREATE UNIQUE INDEX one_open_batch ON usage_batches (source_id, delivery) WHERE sealed_at IS NULL;
