-- Where is every record below the cut: how many stand in each table, and which are not where they must be yet?
-- Reads bronze, silver, late, rejected, replayed and ends(kafka_partition, base, next_offset). Each number is counted from
-- rows of its own table; a duplicate is a valid record in no table whose identity was taken earlier in its partition.
-- {{ "With keep: latest another version of an id is another record." if version else "One id is one record." }}
-- Identities are looked at only where that is the question: of records that no table took, and of late ones.
CREATE OR REPLACE TEMP TABLE placed AS
SELECT
    kafka_partition,
    kafka_offset // 64 AS block,
    bit_or(CAST(1 AS UBIGINT) << CAST(kafka_offset % 64 AS UBIGINT)) AS bits
FROM (
    SELECT kafka_partition, kafka_offset FROM silver
    UNION ALL
    SELECT kafka_partition, kafka_offset FROM late
    UNION ALL
    SELECT kafka_partition, kafka_offset FROM rejected
)
GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE asked AS
SELECT b.kafka_partition, b.kafka_offset, b.event_id AS id{{ ", b.event_version AS version" if version }}, FALSE AS is_late, b.reason IS NULL AS is_valid
FROM bronze AS b
LEFT JOIN placed AS p ON b.kafka_partition = p.kafka_partition AND b.kafka_offset // 64 = p.block
WHERE coalesce((p.bits >> CAST(b.kafka_offset % 64 AS UBIGINT)) & CAST(1 AS UBIGINT), 0) = 0
UNION ALL
SELECT kafka_partition, kafka_offset, {{ id }}{{ ", " ~ version if version }}, TRUE, TRUE FROM late;

WITH taken AS (
    SELECT kafka_partition, kafka_offset, {{ id }} AS id{{ ", " ~ version ~ " AS version" if version }} FROM silver
    UNION ALL
    SELECT kafka_partition, kafka_offset, {{ id }}{{ ", " ~ version if version }} FROM late
),
first_taken AS (
    SELECT t.kafka_partition, t.id{{ ", t.version" if version }}, min(t.kafka_offset) AS first_offset
    FROM taken AS t
    SEMI JOIN asked AS a
        ON t.kafka_partition = a.kafka_partition AND t.id = a.id{{ " AND t.version = a.version" if version }}
    GROUP BY ALL
),
answered AS (
    SELECT a.is_late, a.is_valid AND coalesce(f.first_offset < a.kafka_offset, FALSE) AS is_again
    FROM asked AS a
    LEFT JOIN first_taken AS f
        ON a.kafka_partition = f.kafka_partition AND a.id = f.id{{ " AND a.version = f.version" if version }}
)
SELECT
    (SELECT sum(next_offset - base) FROM ends) AS produced,
    (SELECT count(*) FROM bronze) AS bronze,
    (SELECT count(*) FROM silver) AS silver,
    (SELECT count(*) FILTER (WHERE is_late AND NOT is_again) FROM answered) AS late,
    (SELECT count(*) FROM rejected) AS rejected,
    (SELECT count(*) FILTER (WHERE is_again) FROM answered) AS duplicates,
    (SELECT count(*) FROM replayed) AS replayed,
    (SELECT count(*) FILTER (WHERE NOT is_late AND NOT is_again) FROM answered) AS unaccounted
