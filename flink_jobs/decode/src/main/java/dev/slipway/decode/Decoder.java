package dev.slipway.decode;

import org.apache.flink.table.data.GenericRowData;

/** Turns a record's value into a typed row; one implementation a wire format. */
interface Decoder {
    /**
     * Decodes one value. The row has the schema's fields in order and the reason of a rejection last (null when
     * the value is good). A rejected row is null everywhere else, but for the id where the value yields it.
     * Never throws, whatever the bytes are: a poisoned record must not stop the job.
     *
     * @param value the record's value, null for a tombstone
     * @param arrivedAtMillis the record's own timestamp, epoch milliseconds
     */
    GenericRowData decode(byte[] value, long arrivedAtMillis);
}
