-- Which slips did the tills print?
CREATE TABLE ops.till_slips (
    slip_id text PRIMARY KEY,
    till text NOT NULL,
    kind text NOT NULL,
    amount numeric(10, 2) NOT NULL,
    printed_at timestamptz NOT NULL
);
