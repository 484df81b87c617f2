-- Which events count: what silver accepted, and the late rows that were amended; of several versions the
-- newest. An amendment stands as it was written: what is accepted after it counts besides, by itself, and what it
-- replaced counts no more.
CREATE VIEW counted AS
(SELECT s.* FROM silver AS s {unless_replaced} {newest})
UNION ALL
(
    SELECT l.* FROM late AS l
    SEMI JOIN amended AS a ON l.kafka_partition = a.kafka_partition AND l.kafka_offset = a.kafka_offset
    {newest}
)
