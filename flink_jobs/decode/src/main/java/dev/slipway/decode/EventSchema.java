package dev.slipway.decode;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonProcessingException;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.DataType;

/**
 * The contract's Avro record schema, as far as events use it: one flat record of primitives, enums, logical
 * dates, instants and decimals, each of them perhaps nullable. Read at planning time for the row's type and
 * again on each task for decoding; anything else in the schema is refused while planning.
 */
final class EventSchema {
    /** Name of the last column of a decoded row; no Avro field can be called like it. */
    static final String REASON = "$reason";

    /** What a value may be, with the words a reason uses for it. */
    enum Kind {
        STRING("a string"),
        ENUM("a string"),
        INT("an integer"),
        LONG("an integer"),
        DOUBLE("a number"),
        BOOLEAN("true or false"),
        DECIMAL("a number"),
        TIMESTAMP("an instant in ISO 8601 with its offset, or its epoch as an integer"),
        DATE("a date (yyyy-mm-dd)");

        final String words;

        Kind(String words) {
            this.words = words;
        }
    }

    /**
     * One field. precision: digits of a decimal, or 3 and 6 for an instant in milli- and microseconds.
     * longest: bytes that a text may take in a key of the warehouse, 0 when it is in none.
     * fallback: the schema's default for an absent field, null when there is none (or it is null).
     */
    record Field(
            int index,
            String name,
            Kind kind,
            boolean nullable,
            boolean pii,
            Set<String> symbols,
            int precision,
            int scale,
            int longest,
            JsonNode fallback) {

        DataType type() {
            DataType plain =
                    switch (kind) {
                        case STRING, ENUM -> DataTypes.STRING();
                        case INT -> DataTypes.INT();
                        case LONG -> DataTypes.BIGINT();
                        case DOUBLE -> DataTypes.DOUBLE();
                        case BOOLEAN -> DataTypes.BOOLEAN();
                        case DECIMAL -> DataTypes.DECIMAL(precision, scale);
                        case TIMESTAMP -> DataTypes.TIMESTAMP_LTZ(precision);
                        case DATE -> DataTypes.DATE();
                    };
            return plain.nullable(); // a rejected row has no values
        }
    }

    private final List<Field> fields = new ArrayList<>();
    private final Map<String, Field> byName = new HashMap<>();

    private EventSchema() {}

    /** @throws ValidationException when the text is no schema of a flat record that can be decoded */
    static EventSchema parse(String avro) {
        JsonNode root;
        try {
            root = new ObjectMapper().readTree(avro);
        } catch (JsonProcessingException e) {
            throw new ValidationException("the event schema is not JSON: " + e.getOriginalMessage(), e);
        }
        if (!"record".equals(root.path("type").asText()) || root.path("fields").isEmpty()) {
            throw new ValidationException("the event schema is not an Avro record with fields");
        }
        EventSchema schema = new EventSchema();
        for (JsonNode node : root.path("fields")) {
            Field field = field(schema.fields.size(), node);
            if (schema.byName.put(field.name(), field) != null) {
                throw new ValidationException("the event schema names field " + field.name() + " twice");
            }
            schema.fields.add(field);
        }
        return schema;
    }

    private static Field field(int index, JsonNode node) {
        String name = node.path("name").asText();
        JsonNode type = node.path("type");
        boolean nullable = false;
        if (type.isArray()) {
            List<JsonNode> branches = new ArrayList<>();
            type.forEach(branches::add);
            nullable = branches.removeIf(branch -> "null".equals(branch.asText()));
            if (branches.size() != 1) {
                throw unsupported(name, type);
            }
            type = branches.get(0);
        }
        JsonNode fallback = node.path("default");
        return new Field(
                index,
                name,
                kind(name, type),
                nullable,
                node.path("pii").asBoolean(false),
                symbols(type),
                "timestamp-micros".equals(type.path("logicalType").asText()) ? 6 : type.path("precision").asInt(3),
                type.path("scale").asInt(0),
                node.path("at_most_bytes").asInt(0),
                fallback.isMissingNode() || fallback.isNull() ? null : fallback);
    }

    private static Kind kind(String name, JsonNode type) {
        String plain = type.isTextual() ? type.asText() : type.path("type").asText();
        String logical = type.path("logicalType").asText("");
        return switch (logical.isEmpty() ? plain : plain + "/" + logical) {
            case "string", "string/uuid" -> Kind.STRING;
            case "enum" -> Kind.ENUM;
            case "int" -> Kind.INT;
            case "long" -> Kind.LONG;
            case "float", "double" -> Kind.DOUBLE;
            case "boolean" -> Kind.BOOLEAN;
            case "bytes/decimal" -> Kind.DECIMAL;
            case "long/timestamp-millis", "long/timestamp-micros" -> Kind.TIMESTAMP;
            case "int/date" -> Kind.DATE;
            default -> throw unsupported(name, type);
        };
    }

    private static Set<String> symbols(JsonNode type) {
        Set<String> symbols = new TreeSet<>();
        type.path("symbols").forEach(symbol -> symbols.add(symbol.asText()));
        return symbols;
    }

    private static ValidationException unsupported(String name, JsonNode type) {
        return new ValidationException(
                "field " + name + " has Avro type " + type + ", which can't be decoded; use string, enum, int, long,"
                        + " float, double, boolean, or the logical types date, timestamp-millis, timestamp-micros, decimal, uuid");
    }

    List<Field> fields() {
        return fields;
    }

    /** The field of that name, null when the schema has none. */
    Field find(String name) {
        return byName.get(name);
    }

    /** @throws ValidationException when the schema has no such field */
    Field require(String name) {
        Field field = byName.get(name);
        if (field == null) {
            throw new ValidationException("the event schema has no field " + name + "; it has " + byName.keySet());
        }
        return field;
    }

    /** ROW(fields..., `$reason` STRING, more...), all nullable. */
    DataType rowType(DataTypes.Field... more) {
        List<DataTypes.Field> row = new ArrayList<>();
        for (Field field : fields) {
            row.add(DataTypes.FIELD(field.name(), field.type()));
        }
        row.add(DataTypes.FIELD(REASON, DataTypes.STRING()));
        row.addAll(List.of(more));
        return DataTypes.ROW(row).bridgedTo(RowData.class);
    }
}
