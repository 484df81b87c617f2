package dev.slipway.decode;

import java.time.LocalDateTime;
import java.time.ZoneId;
import java.util.Optional;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.catalog.DataTypeFactory;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.functions.ScalarFunction;
import org.apache.flink.table.types.inference.InputTypeStrategies;
import org.apache.flink.table.types.inference.TypeInference;

/**
 * as_jdbc_timestamp(instant TIMESTAMP_LTZ) -> TIMESTAMP(6), to be stored in a `timestamptz` column. Flink's JDBC
 * sink takes no instants; it takes a TIMESTAMP for the wall clock of the JVM's own zone, and so it is given that.
 * Run Flink in UTC: where clocks are set back, an hour of wall-clock times stands for two instants.
 */
public class AsJdbcTimestamp extends ScalarFunction {
    private static final long serialVersionUID = 1L;

    /** The instant on the clock of this JVM's zone. */
    public TimestampData eval(TimestampData instant) {
        return instant == null
                ? null
                : TimestampData.fromLocalDateTime(
                        LocalDateTime.ofInstant(instant.toInstant(), ZoneId.systemDefault()));
    }

    @Override
    public TypeInference getTypeInference(DataTypeFactory factory) {
        return TypeInference.newBuilder()
                .inputTypeStrategy(
                        InputTypeStrategies.sequence(
                                InputTypeStrategies.explicit(
                                        DataTypes.TIMESTAMP_LTZ(6).bridgedTo(TimestampData.class))))
                .outputTypeStrategy(call -> Optional.of(DataTypes.TIMESTAMP(6).bridgedTo(TimestampData.class)))
                .build();
    }
}
