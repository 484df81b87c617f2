package dev.slipway.decode;

import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.types.DataType;

/**
 * decode(value BYTES, arrived_at TIMESTAMP_LTZ(3), schema STRING, id STRING, time STRING, ahead_at_most_millis
 * BIGINT) -> ROW(the schema's fields..., `$reason` STRING), from JSON.
 */
public class DecodeJson extends DecodeFunction {
    private static final long serialVersionUID = 1L;

    private transient Decoder decoder;

    /** Decodes one record; see {@link Decoder#decode}. */
    public RowData eval(
            byte[] value,
            TimestampData arrivedAt,
            StringData schema,
            StringData id,
            StringData time,
            Long aheadAtMostMillis) {
        if (decoder == null) {
            decoder = decoder(schema.toString(), id.toString(), time.toString(), aheadAtMostMillis);
        }
        return counted(decoder.decode(value, arrivedAt.getMillisecond()));
    }

    private static Decoder decoder(String schema, String id, String time, long aheadAtMostMillis) {
        return new JsonDecoder(new EventRules(EventSchema.parse(schema), id, time, aheadAtMostMillis, 0));
    }

    @Override
    DataType rowType(String schema, String id, String time) {
        decoder(schema, id, time, 0);
        return EventSchema.parse(schema).rowType();
    }

    @Override
    int textsBehind() {
        return 0;
    }
}
