-- Which events count: what silver accepted, and the late rows that were amended; of several versions the newest.
CREATE VIEW counted AS
SELECT * FROM (
    SELECT * FROM silver
    UNION ALL
    SELECT l.* FROM late AS l
    SEMI JOIN amended AS a ON l.kafka_partition = a.kafka_partition AND l.kafka_offset = a.kafka_offset
)
{newest}
