package dev.slipway.decode;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.avro.shaded.org.apache.avro.Schema;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericDatumReader;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericRecord;

/**
 * A schema that records were written with, and how they are read as the contract's. Avro resolves types and names,
 * but takes no notice of logical types: the same bytes would become another amount, or another instant.
 */
final class WriterSchema {
    private final Schema schema;
    private final GenericDatumReader<GenericRecord> asContract;
    private final List<Schema> types = new ArrayList<>();

    /** @param contract the contract's schema, whose fields are in the event schema's order */
    WriterSchema(Schema schema, Schema contract) {
        this.schema = schema;
        this.asContract = new GenericDatumReader<>(schema, contract);
        for (Schema.Field field : contract.getFields()) {
            Schema.Field written = written(field);
            types.add(written == null ? null : plain(written.schema()));
        }
    }

    /** Reads a record as the contract's. */
    GenericRecord read(BoundedDecoder bytes) throws IOException {
        return asContract.read(null, bytes);
    }

    /** Reads a record as it was written. */
    GenericRecord readAsWritten(BoundedDecoder bytes) throws IOException {
        return new GenericDatumReader<GenericRecord>(schema).read(null, bytes);
    }

    /** The writer's field that becomes this one of the contract's, null when there is none. */
    Schema.Field written(Schema.Field field) {
        if (schema.getType() != Schema.Type.RECORD) {
            return null;
        }
        Schema.Field found = schema.getField(field.name());
        for (String alias : field.aliases()) {
            found = found == null ? schema.getField(alias) : found;
        }
        return found;
    }

    /** The digits behind the point of what was written for a decimal of the contract's. */
    int scale(EventSchema.Field field) throws Rejected {
        Schema type = types.get(field.index());
        if (type == null) {
            return field.scale();
        }
        if (type.getType() != Schema.Type.BYTES) {
            throw new Rejected(field.name() + ": " + told(type) + " is not " + field.kind().words);
        }
        Object scale = "decimal".equals(type.getProp("logicalType")) ? type.getObjectProp("scale") : field.scale();
        return scale instanceof Number ? ((Number) scale).intValue() : 0;
    }

    /** What was written for an instant of the contract's: millis, micros or nanos since 1970. */
    String unit(EventSchema.Field field) throws Rejected {
        Schema type = types.get(field.index());
        String logical = type == null ? null : type.getProp("logicalType");
        if (logical == null) {
            return field.precision() == 3 ? "millis" : "micros";
        }
        if (!logical.startsWith("timestamp-")) {
            throw new Rejected(field.name() + ": " + told(type) + " is not an instant");
        }
        return logical.substring("timestamp-".length());
    }

    /** The type as a reason calls it. */
    static String told(Schema type) {
        String logical = type.getProp("logicalType");
        return logical == null ? type.getType().getName() : logical;
    }

    /** The type itself where it is a union of it and null. */
    static Schema plain(Schema type) {
        if (type.getType() == Schema.Type.UNION) {
            for (Schema branch : type.getTypes()) {
                if (branch.getType() != Schema.Type.NULL) {
                    return branch;
                }
            }
        }
        return type;
    }
}
