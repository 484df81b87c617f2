package dev.slipway.decode;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.apache.flink.avro.shaded.org.apache.avro.Schema;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericData;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericDatumWriter;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericRecord;
import org.apache.flink.avro.shaded.org.apache.avro.io.BinaryEncoder;
import org.apache.flink.avro.shaded.org.apache.avro.io.EncoderFactory;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.data.GenericRowData;
import org.junit.jupiter.api.Test;

class AvroDecoderTest {
    private static final String SCHEMA =
            """
            {"type": "record", "name": "Order", "namespace": "shop", "fields": [
              {"name": "id", "type": "string", "at_most_bytes": 40},
              {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}},
              {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
              {"name": "pieces", "type": ["null", "int"], "default": null},
              {"name": "share", "type": ["null", "double"], "default": null},
              {"name": "price", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}],
               "default": null},
              {"name": "day", "type": ["null", {"type": "int", "logicalType": "date"}], "default": null},
              {"name": "who", "type": ["null", "string"], "default": null, "pii": true}
            ]}""";
    private static final int REASON = 8;
    private static final long ARRIVED = Instant.parse("2024-03-08T12:00:00Z").toEpochMilli();

    private final Map<Integer, Schema> registry = new HashMap<>(Map.of(1, parsed(SCHEMA)));
    private final AvroDecoder decoder =
            new AvroDecoder(
                    new EventRules(EventSchema.parse(SCHEMA), "id", "at", 86_400_000, AvroDecoder.MORE),
                    SCHEMA,
                    id -> {
                        if (id == 503) {
                            throw new IllegalStateException("no answer");
                        }
                        if (!registry.containsKey(id)) {
                            throw new Rejected("unknown schema id " + id);
                        }
                        return registry.get(id);
                    });

    private static Schema parsed(String schema) {
        return new Schema.Parser().parse(schema);
    }

    private byte[] written(int id, Map<String, Object> fields) {
        Schema schema = registry.get(id);
        GenericRecord record = new GenericData.Record(schema);
        Map<String, Object> all = new HashMap<>(Map.of("id", "e1", "kind", "A", "at", ARRIVED));
        all.putAll(fields);
        for (Schema.Field field : schema.getFields()) {
            Object value = all.get(field.name());
            Schema type = WriterSchema.plain(field.schema());
            boolean isEnum = type.getType() == Schema.Type.ENUM;
            record.put(field.name(), isEnum ? new GenericData.EnumSymbol(type, value) : value);
        }
        try {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            out.write(0);
            out.write(ByteBuffer.allocate(4).putInt(id).array());
            BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(out, null);
            new GenericDatumWriter<GenericRecord>(schema).write(record, encoder);
            encoder.flush();
            return out.toByteArray();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private GenericRowData decode(byte[] value) {
        return decoder.decode(value, ARRIVED);
    }

    private String reason(byte[] value) {
        GenericRowData row = decode(value);
        return row.isNullAt(REASON) ? null : row.getString(REASON).toString();
    }

    private String reasonOf(String field, Object value) {
        return reason(written(1, Map.of(field, value)));
    }

    private static ByteBuffer cents(long unscaled) {
        return ByteBuffer.wrap(java.math.BigInteger.valueOf(unscaled).toByteArray());
    }

    @Test
    void aGoodRecordBecomesATypedRow() {
        GenericRowData row = decode(written(
                1, Map.of("pieces", -3, "share", 0.5, "price", cents(-1250), "day", 19_790, "who", "J\u00f6rg \ud83d\ude00")));

        assertTrue(row.isNullAt(REASON));
        assertEquals("e1", row.getString(0).toString());
        assertEquals("A", row.getString(1).toString());
        assertEquals(ARRIVED, row.getTimestamp(2, 3).getMillisecond());
        assertEquals(-3, row.getInt(3));
        assertEquals(0.5, row.getDouble(4));
        assertEquals("-12.50", row.getDecimal(5, 6, 2).toString());
        assertEquals(19_790, row.getInt(6));
        assertEquals("J\u00f6rg \ud83d\ude00", row.getString(7).toString());
        assertEquals(1, row.getInt(REASON + 1));
    }

    @Test
    void whatIsNotInAFrameIsRefused() {
        assertEquals("null value", reason(null));
        assertEquals("empty value", reason(new byte[0]));
        assertEquals("no schema id: the first byte is 0x7b, not 0x00", reason("{}".getBytes(StandardCharsets.UTF_8)));
        assertEquals("no schema id: the value ends after 3 bytes", reason(new byte[] {0, 0, 0}));
        assertTrue(decode(new byte[] {0, 0}).isNullAt(REASON + 1));
    }

    @Test
    void anUnknownIdIsAReasonAndARegistryThatDoesNotAnswerIsNone() {
        byte[] value = written(1, Map.of());
        assertEquals("unknown schema id 77", reason(framed(77, value)));
        assertEquals(77, decode(framed(77, value)).getInt(REASON + 1));
        assertThrows(IllegalStateException.class, () -> decode(framed(503, value)));
    }

    private static byte[] framed(int id, byte[] value) {
        byte[] other = value.clone();
        ByteBuffer.wrap(other).putInt(1, id);
        return other;
    }

    @Test
    void tornAndTrailingBytesAreTold() {
        byte[] value = written(1, Map.of("who", "somebody"));
        assertEquals("bytes after the avro record", reason(Arrays.copyOf(value, value.length + 2)));
        assertEquals("e1", decode(Arrays.copyOf(value, value.length + 2)).getString(0).toString());
        for (int length = 5; length < value.length; length++) {
            assertEquals("the value ends within a record of schema id 1", reason(Arrays.copyOf(value, length)));
        }
    }

    @Test
    void aLengthThatIsNotThereAllocatesNothing() {
        byte[] huge = {0, 0, 0, 0, 1, (byte) 0xfe, (byte) 0xff, (byte) 0xff, (byte) 0xff, 0x0f};
        assertEquals("the value ends within a record of schema id 1", reason(huge));
        byte[] negative = {0, 0, 0, 0, 1, 1};
        assertEquals("not a record of schema id 1", reason(negative));
    }

    @Test
    void valuesAreHeldToTheRulesOfJson() {
        assertEquals("share: 'NaN' is not a number", reasonOf("share", Double.NaN));
        assertEquals(
                "share: '-Infinity' does not fit: its magnitude must be below 1e15",
                reasonOf("share", Double.NEGATIVE_INFINITY));
        assertEquals("price: '10000.00' does not fit into decimal(6,2)", reasonOf("price", cents(1_000_000)));
        assertEquals("price: 0 bytes are not a number", reasonOf("price", ByteBuffer.allocate(0)));
        assertEquals("price: 900000 bytes are not a number", reasonOf("price", ByteBuffer.allocate(900_000)));
        assertEquals("day: '2147483647' is outside the years 1 to 9999", reasonOf("day", Integer.MAX_VALUE));
        assertEquals("at: '9223372036854775807' is outside the years 1 to 9999", reasonOf("at", Long.MAX_VALUE));
        assertEquals("at is more than 24 h ahead of its arrival", reasonOf("at", ARRIVED + 86_400_001));
        assertEquals("id: '' is no identity", reasonOf("id", ""));
        assertEquals("id: 'a\\u0000' holds a NUL character, which no table can store", reasonOf("id", "a\0"));
        assertEquals(
                "id: '" + "x".repeat(41) + "' takes 41 bytes, but it is part of a key, which holds 40",
                reasonOf("id", "x".repeat(41)));
        assertEquals("who: its value holds a NUL character, which no table can store", reasonOf("who", "ann\0"));
    }

    @Test
    void textThatIsNotUtf8IsRefused() {
        byte[] value = written(1, Map.of("id", "e??"));
        value[value.length - indexFromEnd(value, '?')] = (byte) 0xff;
        assertEquals("id: 'e\ufffd?' is not UTF-8", reason(value));
        assertEquals(null, reasonOf("id", "e\ufffd"));
    }

    private static int indexFromEnd(byte[] value, char wanted) {
        for (int i = 0; i < value.length; i++) {
            if (value[i] == wanted) {
                return value.length - i;
            }
        }
        throw new AssertionError("absent");
    }

    @Test
    void anotherWritersSchemaIsResolved() {
        registry.put(2, parsed(SCHEMA.replace("\"A\", \"B\"", "\"B\", \"A\", \"C\"")
                .replace("[\"null\", \"int\"], \"default\": null", "\"int\"")
                .replace("{\"name\": \"who\"", "{\"name\": \"more\", \"type\": \"string\"}, {\"name\": \"who\"")));

        GenericRowData row = decode(written(2, Map.of("pieces", 7, "more", "skipped")));
        assertTrue(row.isNullAt(REASON));
        assertEquals("A", row.getString(1).toString());
        assertEquals(7, row.getInt(3));
        assertEquals(2, row.getInt(REASON + 1));
        byte[] unknown = written(2, Map.of("pieces", 7, "more", "", "kind", "C"));
        assertEquals("kind: 'C' is not one of A, B", reason(unknown));
        assertEquals("e1", decode(unknown).getString(0).toString());
    }

    @Test
    void anotherScaleOrUnitIsTheSameAmountAndTheSameInstant() {
        registry.put(3, parsed(SCHEMA.replace("\"scale\": 2", "\"scale\": 3").replace("timestamp-millis", "timestamp-micros")));

        GenericRowData row = decode(written(3, Map.of("price", cents(12_340), "at", ARRIVED * 1_000 + 999)));
        assertEquals("12.34", row.getDecimal(5, 6, 2).toString());
        assertEquals(ARRIVED, row.getTimestamp(2, 3).getMillisecond());
        assertEquals(
                "price: '12.345' does not fit into decimal(6,2)",
                reason(written(3, Map.of("price", cents(12_345), "at", ARRIVED * 1_000))));
    }

    @Test
    void aSchemaThatIsNotTheContractsIsTold() {
        registry.put(4, parsed(SCHEMA.replace("\"name\": \"at\"", "\"name\": \"happened\"")));
        assertEquals("missing field at", reason(written(4, Map.of("happened", ARRIVED))));
        registry.put(5, parsed(SCHEMA.replace("{\"type\": \"bytes\", \"logicalType\": \"decimal\", \"precision\": 6, \"scale\": 2}",
                "\"string\"")));
        assertEquals("price: string is not a number", reason(written(5, Map.of("price", "12.50"))));
        registry.put(6, parsed(SCHEMA.replace("{\"name\": \"id\", \"type\": \"string\"", "{\"name\": \"id\", \"type\": [\"null\", \"string\"]")));
        Map<String, Object> without = new HashMap<>();
        without.put("id", null);
        assertEquals("id: null is not a string", reason(written(6, without)));
        registry.put(7, parsed(SCHEMA.replace("timestamp-millis", "local-timestamp-millis")));
        assertEquals("at: local-timestamp-millis is not an instant", reason(written(7, Map.of())));
        registry.put(8, parsed("\"string\""));
        assertEquals("not a record of schema id 8", reason(new byte[] {0, 0, 0, 0, 8, 2, 'a'}));
        registry.put(9, parsed(SCHEMA.replace("[\"null\", \"int\"]", "[\"null\", \"string\"]")));
        assertEquals("pieces: string is not an integer", reason(written(9, Map.of("pieces", "7"))));
    }

    @Test
    void anEndlessNestingIsNoMoreThanAReason() {
        registry.put(10, parsed("{\"type\":\"record\",\"name\":\"N\",\"fields\":[{\"name\":\"n\",\"type\":[\"null\",\"N\"]}]}"));
        byte[] deep = new byte[1_000_000];
        Arrays.fill(deep, 5, deep.length, (byte) 2);
        deep[4] = 10;
        String reason = reason(deep);
        assertTrue(reason.equals("not a record of schema id 10") || reason.startsWith("the value ends"), reason);
    }

    @Test
    void noBytesWhateverMakeItThrow() {
        Random random = new Random(7);
        byte[] good = written(1, Map.of("pieces", 5, "share", 1.5, "price", cents(5), "day", 3, "who", "J\u00f6rg"));
        for (int i = 0; i < 50_000; i++) {
            byte[] value = Arrays.copyOf(good, random.nextInt(8) == 0 ? random.nextInt(good.length) : good.length);
            for (int flips = random.nextInt(4); flips >= 0 && value.length > 5; flips--) {
                value[5 + random.nextInt(value.length - 5)] = (byte) random.nextInt(256);
            }
            GenericRowData row = decode(value);
            assertTrue(row.isNullAt(REASON) ? !row.isNullAt(0) : row.isNullAt(1));
        }
    }

    @Test
    void theDecoderReadsWhatAvroWrites() throws IOException {
        Random random = new Random(3);
        for (int i = 0; i < 2_000; i++) {
            long number = random.nextLong() >> random.nextInt(64);
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(out, null);
            encoder.writeLong(number);
            encoder.writeInt((int) number);
            encoder.writeDouble(number / 7.0);
            encoder.writeFloat(number / 7.0f);
            encoder.writeBytes(new byte[] {1, 2});
            encoder.writeFixed(new byte[] {3});
            encoder.writeBoolean(true);
            encoder.flush();
            BoundedDecoder decoder = new BoundedDecoder(out.toByteArray(), 0);
            assertEquals(number, decoder.readLong());
            assertEquals((int) number, decoder.readInt());
            assertEquals(number / 7.0, decoder.readDouble());
            assertEquals(number / 7.0f, decoder.readFloat());
            assertArrayEquals(new byte[] {1, 2}, decoder.readBytes(null).array());
            decoder.skipFixed(1);
            assertTrue(decoder.readBoolean());
            assertEquals(0, decoder.left());
        }
    }

    @Test
    void aSchemaThatIsNoAvroIsRefusedWhilePlanning() {
        String wrong = SCHEMA.replace("\"name\": \"Order\"", "\"name\": \"1 Order\"");
        EventRules rules = new EventRules(EventSchema.parse(wrong), "id", "at", 0, AvroDecoder.MORE);
        assertThrows(ValidationException.class, () -> new AvroDecoder(rules, wrong, id -> null));
    }
}
