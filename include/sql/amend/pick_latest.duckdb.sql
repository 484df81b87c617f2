-- Which late versions count nothing yet, are newer than what counts of their id, and change no other days than these?
-- Only the newest late version of an id is asked for; leaves is the day on which its id counts until then.
WITH counting AS (
    SELECT {id} AS event_id, {version} AS version, business_day FROM silver
    UNION ALL
    SELECT l.{id}, l.{version}, l.business_day
    FROM late AS l
    SEMI JOIN amended AS a ON l.kafka_partition = a.kafka_partition AND l.kafka_offset = a.kafka_offset
),
counts AS (
    SELECT event_id, max(version) AS version, arg_max(business_day, version) AS business_day
    FROM counting GROUP BY event_id
),
newest_late AS (
    SELECT {id} AS event_id, {version} AS version, business_day, kafka_partition, kafka_offset
    FROM late
    QUALIFY row_number() OVER (
        PARTITION BY {id} ORDER BY {version} DESC, kafka_partition, kafka_offset
    ) = 1
)
SELECT n.event_id, n.business_day, n.kafka_partition, n.kafka_offset, c.business_day AS leaves
FROM newest_late AS n
LEFT JOIN counts AS c ON n.event_id = c.event_id
WHERE n.business_day IN (SELECT day FROM days)
    AND (c.event_id IS NULL OR n.version > c.version AND c.business_day IN (SELECT day FROM days))
ORDER BY n.business_day, n.kafka_partition, n.kafka_offset
