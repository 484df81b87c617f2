-- What has happened to each order? The shop's journal, which the batch side reads.
CREATE TABLE ops.orders (
    order_id text PRIMARY KEY,
    customer_id text NOT NULL,
    country text NOT NULL,
    channel text
);

CREATE TABLE ops.order_journal (
    order_id text NOT NULL REFERENCES ops.orders,
    kind text NOT NULL,
    running integer NOT NULL,
    amount numeric(12, 2),
    voucher numeric(9, 4),
    happened_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (order_id, kind, running)
);
