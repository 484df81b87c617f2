package dev.slipway.decode;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class SchemaRegistryTest {
    private record Answer(int status, String body) {}

    private static final Answer GOOD = new Answer(200, "{\"schema\": \"\\\"string\\\"\"}");
    private static final Answer UNKNOWN = new Answer(404, "{\"error_code\": 40403, \"message\": \"Schema not found\"}");

    private final Queue<Answer> answers = new ArrayDeque<>();
    private final List<String> asked = new ArrayList<>();
    private final AtomicLong now = new AtomicLong();
    private HttpServer server;
    private SchemaRegistry registry;

    @BeforeEach
    void serve() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/", exchange -> {
            asked.add(exchange.getRequestURI().getPath());
            Answer answer = answers.remove();
            byte[] body = answer.body().getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(answer.status(), body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.start();
        registry = new SchemaRegistry("http://127.0.0.1:" + server.getAddress().getPort() + "/api/", now::get);
    }

    @AfterEach
    void stop() {
        server.stop(0);
    }

    private String refusal() {
        return assertThrows(Rejected.class, () -> registry.find(7)).getMessage();
    }

    @Test
    void aSchemaIsAskedForOnce() throws Rejected {
        answers.add(GOOD);
        assertSame(registry.find(7), registry.find(7));
        assertEquals(List.of("/api/schemas/ids/7"), asked);
    }

    @Test
    void anUnknownIdIsAskedForAgainAfterAWhile() throws Rejected {
        answers.addAll(List.of(UNKNOWN, GOOD));
        assertEquals("unknown schema id 7", refusal());
        assertEquals("unknown schema id 7", refusal());
        assertEquals(1, asked.size());
        now.addAndGet(31_000_000_000L);
        registry.find(7);
        assertEquals(2, asked.size());
    }

    @Test
    void whatIsNoAvroSchemaIsARefusal() {
        answers.add(new Answer(200, "{\"schemaType\": \"PROTOBUF\", \"schema\": \"syntax\"}"));
        assertEquals("schema id 7 is of type PROTOBUF, not Avro", refusal());
        now.addAndGet(31_000_000_000L);
        answers.add(new Answer(200, "{\"schema\": \"{\"}"));
        assertEquals("schema id 7 is no Avro schema", refusal());
    }

    @Test
    void aRegistryInTroubleIsAskedAgain() throws Rejected {
        answers.addAll(List.of(new Answer(503, "{}"), new Answer(500, "<html>"), GOOD));
        registry.find(7);
        assertEquals(3, asked.size());
    }

    @Test
    void aRegistryThatDoesNotSayFailsTheTaskAndNotTheRecord() {
        for (int i = 0; i < 4; i++) {
            answers.add(new Answer(404, "{\"error_code\": 404}"));
        }
        String told = assertThrows(IllegalStateException.class, () -> registry.find(7)).getMessage();
        assertTrue(told.contains("does not say what schema id 7 is: it answers 404 without a schema"), told);
        server.stop(0);
        assertThrows(IllegalStateException.class, () -> registry.find(8));
    }
}
