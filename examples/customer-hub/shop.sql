CREATE TABLE customers (
    id int AUTO_INCREMENT PRIMARY KEY,
    email varchar(200) NOT NULL UNIQUE,
    name varchar(100),
    phone varchar(40),
    credit decimal(12, 2),
    updated_at datetime(6) NOT NULL DEFAULT current_timestamp(6) ON UPDATE current_timestamp(6),
    KEY (updated_at)
);
INSERT INTO customers (email, name, phone) VALUES
    ('ada@example.com', 'Ada King', '+44 20 1815'),
    ('grace@example.com', 'Grace Hopper', NULL);
