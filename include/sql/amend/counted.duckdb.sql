-- Which events of the days count: what silver accepted, and the late rows that were amended.
CREATE VIEW counted AS
SELECT s.* FROM silver AS s SEMI JOIN days AS d ON s.business_day = d.day
UNION ALL
SELECT l.* FROM late AS l
SEMI JOIN days AS d ON l.business_day = d.day
SEMI JOIN amended AS a ON l.kafka_partition = a.kafka_partition AND l.kafka_offset = a.kafka_offset
