-- How far has bronze got in each partition: offsets below the cut that it does not hold, and its newest arrival?
SELECT
    e.kafka_partition,
    e.next_offset - e.base - count(DISTINCT b.kafka_offset) AS absent,
    max(b.arrived_at) AS last_arrival
FROM ends AS e
LEFT JOIN bronze AS b ON e.kafka_partition = b.kafka_partition AND b.kafka_offset >= e.base
GROUP BY e.kafka_partition, e.next_offset, e.base
ORDER BY e.kafka_partition
