-- How far has bronze got in each partition: offsets below the cut that it lacks, and its newest arrival?
-- Reads ends(kafka_partition, base, next_offset), settled(kafka_partition, below) and blocks. settled_lacking: those
-- below the offset under which all gaps are explained already.
WITH bounds AS (
    SELECT
        e.kafka_partition, e.base, e.next_offset,
        least(greatest(coalesce(s.below, 0), e.base), e.next_offset) AS below
    FROM ends AS e
    LEFT JOIN settled AS s ON e.kafka_partition = s.kafka_partition
)
SELECT
    o.kafka_partition,
    o.base,
    o.next_offset - o.base - coalesce(sum(bit_count(b.bits)), 0) AS lacking,
    o.below - o.base - coalesce(sum(
        CASE
            WHEN b.block < o.below // 64 THEN bit_count(b.bits)
            WHEN b.block = o.below // 64
                THEN bit_count(b.bits & ((CAST(1 AS UBIGINT) << CAST(o.below % 64 AS UBIGINT)) - CAST(1 AS UBIGINT)))
            ELSE 0
        END
    ), 0) AS settled_lacking,
    max(b.last_arrival) AS last_arrival
FROM bounds AS o
LEFT JOIN blocks AS b ON o.kafka_partition = b.kafka_partition
GROUP BY o.kafka_partition, o.base, o.next_offset, o.below
ORDER BY o.kafka_partition
