-- Messages about documents: each once per document, revision and recipient.

CREATE TABLE deliveries (
    delivery_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel text NOT NULL CHECK (channel IN ('email', 'webhook')),
    event text NOT NULL CHECK (event IN ('invoice.sent', 'invoice.overdue', 'credit_note.made')),
    invoice_id bigint NOT NULL REFERENCES invoices,
    revision integer NOT NULL,
    age_days integer NOT NULL CHECK (age_days >= 0),
    recipient text NOT NULL,
    message_id text NOT NULL UNIQUE,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz,
    CONSTRAINT each_message_once UNIQUE (channel, event, invoice_id, revision, age_days, recipient),
    CHECK ((state = 'delivered') = (delivered_at IS NOT NULL))
);
CREATE INDEX deliveries_waiting ON deliveries (delivery_id) WHERE state = 'waiting';
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON deliveries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT SELECT, INSERT, UPDATE ON deliveries TO chargeback_app;
GRANT USAGE ON SEQUENCE deliveries_delivery_id_seq TO chargeback_app;
