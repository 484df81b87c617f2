-- Which runs of neighbouring offsets below the cut does bronze lack, from the settled offset on?
-- Reads ends, settled and blocks. Blocks that are absent are one run, others are taken apart bit by bit; what touches
-- is joined again.
WITH bounds AS (
    SELECT e.kafka_partition, greatest(coalesce(s.below, 0), e.base) AS first, e.next_offset - 1 AS through
    FROM ends AS e
    LEFT JOIN settled AS s ON e.kafka_partition = s.kafka_partition
    WHERE greatest(coalesce(s.below, 0), e.base) < e.next_offset
),
fenced AS (
    SELECT b.kafka_partition, b.block, b.bits
    FROM blocks AS b
    JOIN bounds AS o ON b.kafka_partition = o.kafka_partition AND b.block >= o.first // 64
    UNION ALL
    SELECT kafka_partition, unnest([first // 64 - 1, through // 64 + 1]), ~CAST(0 AS UBIGINT) FROM bounds
),
holes AS (
    SELECT kafka_partition, (lag(block) OVER neighbours + 1) * 64 AS first, block * 64 - 1 AS through
    FROM fenced
    WINDOW neighbours AS (PARTITION BY kafka_partition ORDER BY block)
    QUALIFY block > lag(block) OVER neighbours + 1
    UNION ALL
    SELECT kafka_partition, block * 64 + bit AS first, block * 64 + bit AS through
    FROM (SELECT * FROM fenced WHERE bits <> ~CAST(0 AS UBIGINT)), range(64) AS t(bit)
    WHERE (bits >> CAST(bit AS UBIGINT)) & CAST(1 AS UBIGINT) = 0
),
within AS (
    SELECT h.kafka_partition, greatest(h.first, o.first) AS first, least(h.through, o.through) AS through
    FROM holes AS h
    JOIN bounds AS o ON h.kafka_partition = o.kafka_partition AND h.through >= o.first AND h.first <= o.through
),
numbered AS (
    SELECT *, count(*) FILTER (WHERE begins) OVER (PARTITION BY kafka_partition ORDER BY first) AS run
    FROM (
        SELECT *, coalesce(first > lag(through) OVER (PARTITION BY kafka_partition ORDER BY first) + 1, TRUE) AS begins
        FROM within
    )
)
SELECT kafka_partition, min(first) AS first, max(through) AS through
FROM numbered
GROUP BY kafka_partition, run
ORDER BY kafka_partition, first
LIMIT {{ most }}
