-- The shop's tables. The warehouse's are made by the first run.
CREATE TABLE customers (
    id bigint PRIMARY KEY,
    name text NOT NULL,
    email text UNIQUE,
    credit numeric(12, 2),
    tags text[],
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON customers (updated_at);
CREATE TABLE orders (
    id uuid PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers (id),
    total numeric(12, 2) NOT NULL,
    currency text
);
INSERT INTO customers (id, name, email, credit, tags) VALUES
    (1, 'Ada Lovelace', 'ada@example.com', 1500.00, '{gold,london}'),
    (2, 'Grace Hopper', 'grace@example.com', 2000.00, '{}'),
    (9007199254740993, 'Konrad Zuse', NULL, NULL, NULL);
INSERT INTO orders VALUES
    ('0b5c7a52-3f0c-4a8e-9a25-1f5d6a9d8f01', 1, 99.90, 'GBP'),
    ('0b5c7a52-3f0c-4a8e-9a25-1f5d6a9d8f02', 2, 10.00, NULL);
