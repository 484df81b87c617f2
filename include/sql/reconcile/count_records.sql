-- Where is every record below the cut: how many stand in each table, and which are not where they must be yet?
-- Reads bronze, silver, late, rejected, replayed and ends(kafka_partition, base, next_offset). Each number is counted from
-- rows of its own table; a duplicate is a valid record in no table whose identity was taken earlier in its partition.
-- {{ "With keep: latest another version of an id is another record." if version else "One id is one record." }}
WITH taken AS (
    SELECT kafka_partition, kafka_offset, {{ id }} AS id{{ ", " ~ version ~ " AS version" if version }}, FALSE AS is_late FROM silver
    UNION ALL
    SELECT kafka_partition, kafka_offset, {{ id }}{{ ", " ~ version if version }}, TRUE FROM late
),
first_taken AS (
    SELECT kafka_partition, id{{ ", version" if version }}, min(kafka_offset) AS first_offset FROM taken GROUP BY ALL
),
placed AS (
    SELECT kafka_partition, kafka_offset FROM taken
    UNION ALL
    SELECT kafka_partition, kafka_offset FROM rejected
),
loose AS (
    SELECT b.reason IS NULL AND coalesce(f.first_offset < b.kafka_offset, FALSE) AS is_duplicate
    FROM bronze AS b
    ANTI JOIN placed AS p
        ON b.kafka_partition = p.kafka_partition AND b.kafka_offset = p.kafka_offset
    LEFT JOIN first_taken AS f
        ON b.kafka_partition = f.kafka_partition AND b.event_id = f.id{{ " AND b.event_version = f.version" if version }}
),
late_rows AS (
    SELECT count(*) FILTER (WHERE f.first_offset < t.kafka_offset) AS again, count(*) AS total
    FROM taken AS t
    JOIN first_taken AS f
        ON t.kafka_partition = f.kafka_partition AND t.id = f.id{{ " AND t.version = f.version" if version }}
    WHERE t.is_late
)
SELECT
    (SELECT sum(next_offset - base) FROM ends) AS produced,
    (SELECT count(*) FROM bronze) AS bronze,
    (SELECT count(*) FROM silver) AS silver,
    (SELECT total - again FROM late_rows) AS late,
    (SELECT count(*) FROM rejected) AS rejected,
    (SELECT count(*) FILTER (WHERE is_duplicate) FROM loose) + (SELECT again FROM late_rows) AS duplicates,
    (SELECT count(*) FROM replayed) AS replayed,
    (SELECT count(*) FILTER (WHERE NOT is_duplicate) FROM loose) AS unaccounted
