package dev.slipway.decode;

import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.types.DataType;

/**
 * decode(value BYTES, arrived_at TIMESTAMP_LTZ(3), schema STRING, id STRING, time STRING, ahead_at_most_millis
 * BIGINT, registry STRING) -> ROW(the schema's fields..., `$reason` STRING, `$schema_id` INT), from Avro in
 * Confluent's frame. registry: base URL of a schema registry with Confluent's API.
 */
public class DecodeAvro extends DecodeFunction {
    private static final long serialVersionUID = 1L;

    private transient Decoder decoder;

    /**
     * Decodes one record; see {@link Decoder#decode}.
     *
     * @throws IllegalStateException when the registry does not answer
     */
    public RowData eval(
            byte[] value,
            TimestampData arrivedAt,
            StringData schema,
            StringData id,
            StringData time,
            Long aheadAtMostMillis,
            StringData registry) {
        if (decoder == null) {
            WriterSchemas schemas = new SchemaRegistry(registry.toString(), System::nanoTime);
            decoder = decoder(schema.toString(), id.toString(), time.toString(), aheadAtMostMillis, schemas);
        }
        return counted(decoder.decode(value, arrivedAt.getMillisecond()));
    }

    private static Decoder decoder(
            String schema, String id, String time, long aheadAtMostMillis, WriterSchemas schemas) {
        EventRules rules = new EventRules(EventSchema.parse(schema), id, time, aheadAtMostMillis, AvroDecoder.MORE);
        return new AvroDecoder(rules, schema, schemas);
    }

    @Override
    DataType rowType(String schema, String id, String time) {
        decoder(schema, id, time, 0, unasked -> {
            throw new IllegalStateException("no record is decoded while planning");
        });
        return EventSchema.parse(schema).rowType(DataTypes.FIELD("$schema_id", DataTypes.INT()));
    }

    @Override
    int textsBehind() {
        return 1;
    }

    @Override
    int columnsBehind() {
        return AvroDecoder.MORE;
    }
}
