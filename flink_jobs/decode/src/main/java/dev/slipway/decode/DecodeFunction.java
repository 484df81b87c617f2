package dev.slipway.decode;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import org.apache.flink.metrics.Counter;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.catalog.DataTypeFactory;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.functions.FunctionContext;
import org.apache.flink.table.functions.ScalarFunction;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.inference.ArgumentTypeStrategy;
import org.apache.flink.table.types.inference.CallContext;
import org.apache.flink.table.types.inference.InputTypeStrategies;
import org.apache.flink.table.types.inference.TypeInference;

/**
 * What the decode functions share. Schema, id and time must be literals: the row's type is inferred from the
 * schema, an Avro record in JSON.
 */
public abstract class DecodeFunction extends ScalarFunction {
    private static final long serialVersionUID = 1L;
    private static final int SCHEMA = 2;
    private static final int ID = 3;
    private static final int TIME = 4;

    private transient Counter rejected;

    @Override
    public void open(FunctionContext context) {
        rejected = context.getMetricGroup().counter("rejected");
    }

    /** Returns the row, after counting it when it was refused. */
    final GenericRowData counted(GenericRowData row) {
        if (!row.isNullAt(row.getArity() - 1 - columnsBehind())) {
            rejected.inc();
        }
        return row;
    }

    /** The row's type; built at planning, so that a wrong schema, id or time fails the plan and not the job. */
    abstract DataType rowType(String schema, String id, String time);

    /** How many arguments, each a text, follow those that every decode function takes. */
    abstract int textsBehind();

    /** How many columns a row has behind the reason. */
    int columnsBehind() {
        return 0;
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
        List<ArgumentTypeStrategy> arguments = new ArrayList<>(List.of(
                InputTypeStrategies.explicit(DataTypes.BYTES()),
                InputTypeStrategies.explicit(DataTypes.TIMESTAMP_LTZ(3).bridgedTo(TimestampData.class)),
                text,
                text,
                text,
                InputTypeStrategies.explicit(DataTypes.BIGINT().notNull())));
        arguments.addAll(Collections.nCopies(textsBehind(), text));
        return TypeInference.newBuilder()
                .inputTypeStrategy(InputTypeStrategies.sequence(arguments.toArray(ArgumentTypeStrategy[]::new)))
                .outputTypeStrategy(
                        call -> Optional.of(rowType(literal(call, SCHEMA), literal(call, ID), literal(call, TIME))))
                .build();
    }

    private static String literal(CallContext call, int position) {
        return call.getArgumentValue(position, String.class)
                .orElseThrow(
                        () -> new ValidationException("argument " + (position + 1) + " of decode must be a literal"));
    }
}
