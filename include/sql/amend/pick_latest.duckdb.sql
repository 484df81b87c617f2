-- Which late versions count nothing yet, are newer than all that counts of their id, and change no other days than
-- these? Only the newest late version of an id is asked for. leaves: the days on which its id counts until then.
-- replaces: whether an accepted version is among what counted.
WITH counting AS (
    SELECT s.{id} AS event_id, s.{version} AS version, s.business_day, TRUE AS is_accepted
    FROM silver AS s
    ANTI JOIN (FROM amended WHERE replaces) AS a ON s.{id} = a.event_id
    UNION ALL
    SELECT l.{id}, l.{version}, l.business_day, FALSE
    FROM late AS l
    SEMI JOIN amended AS a ON l.kafka_partition = a.kafka_partition AND l.kafka_offset = a.kafka_offset
),
-- What was accepted after an amendment counts besides it, so an id may count twice.
counts_once AS (
    SELECT event_id, max(version) AS version, arg_max(business_day, version) AS business_day, is_accepted
    FROM counting GROUP BY event_id, is_accepted
),
counts AS (
    SELECT
        event_id, max(version) AS version, list_sort(list_distinct(list(business_day))) AS leaves,
        bool_or(is_accepted) AS replaces
    FROM counts_once GROUP BY event_id
),
newest_late AS (
    SELECT {id} AS event_id, {version} AS version, business_day, kafka_partition, kafka_offset
    FROM late
    QUALIFY row_number() OVER (
        PARTITION BY {id} ORDER BY {version} DESC, kafka_partition, kafka_offset
    ) = 1
)
SELECT
    n.event_id, n.business_day, n.kafka_partition, n.kafka_offset, coalesce(c.leaves, []) AS leaves,
    coalesce(c.replaces, FALSE) AS replaces
FROM newest_late AS n
LEFT JOIN counts AS c ON n.event_id = c.event_id
WHERE n.business_day IN (SELECT day FROM days)
    AND (
        c.event_id IS NULL
        OR n.version > c.version AND list_has_all((SELECT list(day) FROM days), c.leaves)
    )
ORDER BY n.business_day, n.kafka_partition, n.kafka_offset
