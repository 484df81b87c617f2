package dev.slipway.decode;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.LocalDate;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.catalog.DataTypeFactory;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.functions.FunctionContext;
import org.apache.flink.table.functions.ScalarFunction;
import org.apache.flink.table.types.inference.InputTypeStrategies;
import org.apache.flink.table.types.inference.TypeInference;

/**
 * look_up(key STRING, dimension STRING literal) -> ROW(the dimension's fields...), null when there is no such key;
 * see {@link Dimension}. In place of a look-up join, which the planner can't share between several sinks: each
 * copy of it has a correlation name of its own, so that it is planned once a sink, or not at all.
 */
public class LookUp extends ScalarFunction {
    private static final long serialVersionUID = 1L;
    private static final int SECONDS_TO_ANSWER = 15;

    private transient Dimension dimension;
    private transient KeyCache<RowData> cache;
    private transient Connection connection;
    private transient PreparedStatement statement;

    @Override
    public void open(FunctionContext context) throws ClassNotFoundException {
        Class.forName("org.postgresql.Driver");
    }

    @Override
    public void close() {
        disconnect();
    }

    /** Answers from the cache, or from the relation. */
    public RowData eval(StringData key, StringData literal) throws SQLException {
        if (key == null) {
            return null;
        }
        if (dimension == null) {
            dimension = Dimension.parse(literal.toString());
            long lifetime = TimeUnit.SECONDS.toNanos(dimension.seconds());
            cache = new KeyCache<>(dimension.rows(), lifetime, System::nanoTime);
        }
        return cache.get(key.toString(), this::fetch);
    }

    private RowData fetch(String key) throws SQLException {
        try {
            return ask(key);
        } catch (SQLException e) {
            // A server that was restarted leaves a dead connection; if a fresh one fails, too, the job restarts.
            disconnect();
            return ask(key);
        }
    }

    private RowData ask(String key) throws SQLException {
        if (statement == null) {
            connection = DriverManager.getConnection(dimension.url());
            connection.setReadOnly(true);
            statement = connection.prepareStatement(dimension.query());
            statement.setQueryTimeout(SECONDS_TO_ANSWER);
        }
        statement.setString(1, key);
        try (ResultSet found = statement.executeQuery()) {
            if (!found.next()) {
                return null;
            }
            RowData row = row(found);
            if (found.next()) {
                throw new IllegalStateException("a dimension's key must be unique, but this has several rows for a key: "
                        + dimension.query());
            }
            return row;
        }
    }

    private RowData row(ResultSet found) throws SQLException {
        GenericRowData row = new GenericRowData(dimension.columns().size());
        for (int i = 0; i < dimension.columns().size(); i++) {
            Object value =
                    switch (dimension.columns().get(i).kind()) {
                        case "string" -> {
                            String text = found.getString(i + 1);
                            yield text == null ? null : StringData.fromString(text);
                        }
                        case "int" -> found.getInt(i + 1);
                        case "long" -> found.getLong(i + 1);
                        case "double" -> found.getDouble(i + 1);
                        case "boolean" -> found.getBoolean(i + 1);
                        case "date" -> {
                            LocalDate day = found.getObject(i + 1, LocalDate.class);
                            yield day == null ? null : (int) day.toEpochDay();
                        }
                        default -> throw new IllegalStateException("Dimension.parse lets no other type through");
                    };
            row.setField(i, found.wasNull() ? null : value);
        }
        return row;
    }

    private void disconnect() {
        statement = null;
        try {
            if (connection != null) {
                connection.close();
            }
        } catch (SQLException e) {
            // Closed or broken is the same here: nothing was written through it.
        } finally {
            connection = null;
        }
    }

    /** What a relation says may change between two calls. */
    @Override
    public boolean isDeterministic() {
        return false;
    }

    @Override
    public TypeInference getTypeInference(DataTypeFactory factory) {
        return TypeInference.newBuilder()
                .inputTypeStrategy(
                        InputTypeStrategies.sequence(
                                InputTypeStrategies.explicit(DataTypes.STRING().bridgedTo(StringData.class)),
                                InputTypeStrategies.explicit(
                                        DataTypes.STRING().notNull().bridgedTo(StringData.class))))
                .outputTypeStrategy(
                        call -> {
                            String literal =
                                    call.getArgumentValue(1, String.class)
                                            .orElseThrow(() -> new ValidationException(
                                                    "argument 2 of look_up must be a literal"));
                            return Optional.of(Dimension.parse(literal).rowType());
                        })
                .build();
    }
}
