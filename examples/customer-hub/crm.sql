CREATE TABLE contacts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email text NOT NULL UNIQUE,
    full_name text,
    phone text,
    credit_limit numeric(18, 2),
    changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON contacts (changed_at);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.changed_at = now(); RETURN NEW; END';
CREATE TRIGGER touch BEFORE UPDATE ON contacts FOR EACH ROW EXECUTE FUNCTION touch();
INSERT INTO contacts (email, full_name, credit_limit) VALUES
    ('Ada@Example.com', 'Ada Lovelace', 1500),
    ('konrad@example.com', 'Konrad Zuse', 250);
