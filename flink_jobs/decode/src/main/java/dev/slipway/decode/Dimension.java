package dev.slipway.decode;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.JsonProcessingException;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.DataType;

/**
 * A relation of the warehouse and what is wanted of it, from the literal that the SQL carries:
 * {"url": JDBC URL, "query": SQL with one parameter, the key as text, "fields": {column: type, ...}, "rows": most
 * keys kept, "seconds": how long each is kept}. The types are string, int, long, double, boolean, date.
 */
record Dimension(String url, String query, List<Column> columns, int rows, int seconds) {

    /** One column of the answer. */
    record Column(String name, String kind, DataType type) {}

    private static final Map<String, DataType> TYPES =
            Map.of(
                    "string", DataTypes.STRING(),
                    "int", DataTypes.INT(),
                    "long", DataTypes.BIGINT(),
                    "double", DataTypes.DOUBLE(),
                    "boolean", DataTypes.BOOLEAN(),
                    "date", DataTypes.DATE());

    /** @throws ValidationException when the literal is not as described above */
    static Dimension parse(String literal) {
        JsonNode root;
        try {
            root = new ObjectMapper().readTree(literal);
        } catch (JsonProcessingException e) {
            throw new ValidationException("the dimension is not JSON: " + e.getOriginalMessage(), e);
        }
        List<Column> columns = new ArrayList<>();
        root.path("fields")
                .properties()
                .forEach(field -> {
                    String kind = field.getValue().asText();
                    DataType type = TYPES.get(kind);
                    if (type == null) {
                        throw new ValidationException("field " + field.getKey() + " of a dimension is " + kind
                                + ", but must be one of " + TYPES.keySet());
                    }
                    columns.add(new Column(field.getKey(), kind, type));
                });
        Dimension dimension =
                new Dimension(
                        root.path("url").asText(),
                        root.path("query").asText(),
                        List.copyOf(columns),
                        root.path("rows").asInt(),
                        root.path("seconds").asInt());
        if (dimension.url.isEmpty() || dimension.query.isEmpty() || columns.isEmpty() || dimension.rows < 1) {
            throw new ValidationException("a dimension needs url, query, fields and rows (at least 1)");
        }
        return dimension;
    }

    /** ROW(fields...), null when there is no such key. */
    DataType rowType() {
        List<DataTypes.Field> row = new ArrayList<>();
        columns.forEach(column -> row.add(DataTypes.FIELD(column.name(), column.type())));
        return DataTypes.ROW(row).nullable().bridgedTo(RowData.class);
    }
}
