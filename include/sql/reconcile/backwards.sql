-- Which records arrived before the record in front of them in their partition? Time may stand still, never go back.
SELECT kafka_partition, kafka_offset
FROM bronze
QUALIFY arrived_at < lag(arrived_at) OVER (PARTITION BY kafka_partition ORDER BY kafka_offset)
ORDER BY kafka_partition, kafka_offset
LIMIT 10
