package dev.slipway.decode;

import org.apache.flink.avro.shaded.org.apache.avro.Schema;

/** Where the schemas are that records were written with. */
interface WriterSchemas {
    /**
     * The schema of that id.
     *
     * @throws Rejected when there is no such Avro schema, so that the record is at fault
     * @throws IllegalStateException when that can't be told now: the record is to be read again later
     */
    Schema find(int id) throws Rejected;
}
