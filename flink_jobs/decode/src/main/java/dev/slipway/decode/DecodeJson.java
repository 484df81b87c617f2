package dev.slipway.decode;

import java.util.Optional;
import org.apache.flink.metrics.Counter;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.catalog.DataTypeFactory;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.functions.FunctionContext;
import org.apache.flink.table.functions.ScalarFunction;
import org.apache.flink.table.types.inference.ArgumentTypeStrategy;
import org.apache.flink.table.types.inference.CallContext;
import org.apache.flink.table.types.inference.InputTypeStrategies;
import org.apache.flink.table.types.inference.TypeInference;

/**
 * decode(value BYTES, arrived_at TIMESTAMP_LTZ(3), schema STRING, id STRING, time STRING, ahead_at_most_millis
 * BIGINT) -> ROW(the schema's fields..., `$reason` STRING). Schema, id and time must be literals: the row's type is
 * inferred from the schema, an Avro record in JSON.
 */
public class DecodeJson extends ScalarFunction {
    private static final long serialVersionUID = 1L;
    private static final int SCHEMA = 2;
    private static final int ID = 3;
    private static final int TIME = 4;

    private transient Decoder decoder;
    private transient Counter rejected;

    @Override
    public void open(FunctionContext context) {
        rejected = context.getMetricGroup().counter("rejected");
    }

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
        GenericRowData row = decoder.decode(value, arrivedAt.getMillisecond());
        if (!row.isNullAt(row.getArity() - 1)) {
            rejected.inc();
        }
        return row;
    }

    private static Decoder decoder(String schema, String id, String time, long aheadAtMostMillis) {
        return new JsonDecoder(EventSchema.parse(schema), id, time, aheadAtMostMillis);
    }

    /** The planner copies a deterministic call into every expression that uses it: some 20 decodes a record. */
    @Override
    public boolean isDeterministic() {
        return false;
    }

    @Override
    public TypeInference getTypeInference(DataTypeFactory factory) {
        ArgumentTypeStrategy text =
                InputTypeStrategies.explicit(DataTypes.STRING().notNull().bridgedTo(StringData.class));
        return TypeInference.newBuilder()
                .inputTypeStrategy(
                        InputTypeStrategies.sequence(
                                InputTypeStrategies.explicit(DataTypes.BYTES()),
                                InputTypeStrategies.explicit(
                                        DataTypes.TIMESTAMP_LTZ(3).bridgedTo(TimestampData.class)),
                                text,
                                text,
                                text,
                                InputTypeStrategies.explicit(DataTypes.BIGINT().notNull())))
                .outputTypeStrategy(
                        call -> {
                            String schema = literal(call, SCHEMA);
                            // Built once here so that a wrong schema, id or time fails the plan, not the job.
                            decoder(schema, literal(call, ID), literal(call, TIME), 0);
                            return Optional.of(EventSchema.parse(schema).rowType());
                        })
                .build();
    }

    private static String literal(CallContext call, int position) {
        return call.getArgumentValue(position, String.class)
                .orElseThrow(
                        () -> new ValidationException("argument " + (position + 1) + " of decode must be a literal"));
    }
}
