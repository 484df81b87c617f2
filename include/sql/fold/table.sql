-- Where do a fold's rows of one KPI go? Shaped as the stream's table, with the account of the events of each row.
-- Not worth a log: after a crash of the warehouse it is empty, and the account says so.
CREATE UNLOGGED TABLE {side} (LIKE {stream} INCLUDING ALL);
ALTER TABLE {side} ADD COLUMN {events} bigint, ADD COLUMN {offsets} numeric(38, 0);
COMMENT ON TABLE {side} IS {comment};
