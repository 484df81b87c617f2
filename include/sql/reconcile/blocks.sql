-- Which offsets below the cut does bronze hold? One row for 64 neighbouring offsets, a bit for each.
-- Reads bronze. So the account of 100 million records needs memory for a 64th of them, however often one stands there.
CREATE OR REPLACE TEMP TABLE blocks AS
SELECT
    kafka_partition,
    kafka_offset // 64 AS block,
    bit_or(CAST(1 AS UBIGINT) << CAST(kafka_offset % 64 AS UBIGINT)) AS bits,
    max(arrived_at) AS last_arrival
FROM bronze
GROUP BY ALL
