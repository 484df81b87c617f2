package dev.slipway.decode;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.function.LongSupplier;
import org.apache.flink.avro.shaded.org.apache.avro.AvroRuntimeException;
import org.apache.flink.avro.shaded.org.apache.avro.Schema;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;

/**
 * A schema registry with Confluent's API. What it has once said of an id it is not asked again; that an id is
 * unknown holds for half a minute, for a schema may be registered after its first record was sent.
 *
 * <p>A registry that does not answer rejects nothing: after some tries the task fails, and Flink starts it again.
 */
final class SchemaRegistry implements WriterSchemas {
    private static final int TRIES = 4;
    private static final long FIRST_PAUSE_MILLIS = 250;
    private static final Duration ANSWERS_WITHIN = Duration.ofSeconds(5);
    private static final long FORGETS_AFTER_NANOS = Duration.ofSeconds(30).toNanos();
    private static final int MOST_REFUSALS = 10_000;
    private static final int UNKNOWN_SCHEMA = 40403;

    private record Refusal(String reason, long until) {}

    private final String url;
    private final LongSupplier nanoClock;
    private final HttpClient http =
            HttpClient.newBuilder().connectTimeout(ANSWERS_WITHIN).build();
    private final ObjectMapper json = new ObjectMapper();
    private final Map<Integer, Schema> known = new HashMap<>();
    private final Map<Integer, Refusal> refused = new HashMap<>();

    /** @param url base of its API, such as http://host:port/apis/ccompat/v7 */
    SchemaRegistry(String url, LongSupplier nanoClock) {
        this.url = url.endsWith("/") ? url.substring(0, url.length() - 1) : url;
        this.nanoClock = nanoClock;
    }

    @Override
    public Schema find(int id) throws Rejected {
        Schema schema = known.get(id);
        if (schema != null) {
            return schema;
        }
        Refusal refusal = refused.get(id);
        if (refusal != null && nanoClock.getAsLong() - refusal.until() < 0) {
            throw new Rejected(refusal.reason());
        }
        try {
            schema = parsed(id, ask(id));
        } catch (Rejected e) {
            if (refused.size() >= MOST_REFUSALS) {
                refused.clear();
            }
            refused.put(id, new Refusal(e.getMessage(), nanoClock.getAsLong() + FORGETS_AFTER_NANOS));
            throw e;
        }
        known.put(id, schema);
        return schema;
    }

    private static Schema parsed(int id, JsonNode answer) throws Rejected {
        String type = answer.path("schemaType").asText("AVRO");
        if (!"AVRO".equals(type)) {
            throw new Rejected("schema id " + id + " is of type " + type + ", not Avro");
        }
        if (!answer.path("references").isEmpty()) {
            throw new Rejected("schema id " + id + " refers to other schemas, which is not supported");
        }
        try {
            return new Schema.Parser().setValidateDefaults(false).parse(answer.path("schema").asText());
        } catch (AvroRuntimeException e) {
            throw new Rejected("schema id " + id + " is no Avro schema");
        }
    }

    private JsonNode ask(int id) throws Rejected {
        URI uri = URI.create(url + "/schemas/ids/" + Integer.toUnsignedString(id));
        String trouble = "";
        for (int attempt = 0; attempt < TRIES; attempt++) {
            try {
                pause(attempt);
                HttpRequest request = HttpRequest.newBuilder(uri).timeout(ANSWERS_WITHIN).build();
                HttpResponse<String> answer = http.send(request, HttpResponse.BodyHandlers.ofString());
                JsonNode said = json.readTree(answer.body());
                if (answer.statusCode() == 200 && said.path("schema").isTextual()) {
                    return said;
                }
                // A 404 without the registry's own code comes from elsewhere, such as a wrong path.
                if (said.path("error_code").asInt() == UNKNOWN_SCHEMA) {
                    throw new Rejected("unknown schema id " + Integer.toUnsignedString(id));
                }
                trouble = "it answers " + answer.statusCode() + " without a schema";
            } catch (IOException e) {
                trouble = e.getClass().getSimpleName() + (e.getMessage() == null ? "" : ": " + e.getMessage());
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("cancelled while the schema registry was asked", e);
            }
        }
        throw new IllegalStateException("the schema registry at " + url + " does not say what schema id " + id
                + " is: " + trouble + ". No record is refused for that: the job starts again and asks again; see"
                + " the connection slipway_registry");
    }

    private static void pause(int attempt) throws InterruptedException {
        if (attempt > 0) {
            Thread.sleep(FIRST_PAUSE_MILLIS << (attempt - 1));
        }
    }
}
