package dev.slipway.decode;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import org.apache.flink.avro.shaded.org.apache.avro.io.Decoder;
import org.apache.flink.avro.shaded.org.apache.avro.util.Utf8;

/**
 * Avro's binary encoding from an array of bytes. Avro's own decoder trusts every length that it reads and allocates
 * it at once, so that five wrong bytes end the JVM; here no length exceeds the bytes that are left.
 */
final class BoundedDecoder extends Decoder {
    private final byte[] bytes;
    private int at;

    BoundedDecoder(byte[] bytes, int from) {
        this.bytes = bytes;
        this.at = from;
    }

    /** How many bytes follow what was read so far. */
    int left() {
        return bytes.length - at;
    }

    private int take(long length) throws IOException {
        if (length < 0) {
            throw new IOException("a length of " + length);
        }
        if (length > left()) {
            throw new EOFException();
        }
        int from = at;
        at += (int) length;
        return from;
    }

    /** Items take a byte at least, but for nulls, of which nobody sends more than there are bytes. */
    private long items(long count) throws IOException {
        if (count > left()) {
            throw new EOFException();
        }
        return count;
    }

    private long varint(int most) throws IOException {
        long value = 0;
        for (int shift = 0; shift < most; shift += 7) {
            byte next = bytes[take(1)];
            value |= (next & 0x7fL) << shift;
            if (next >= 0) {
                return value >>> 1 ^ -(value & 1);
            }
        }
        throw new IOException("a number of more than " + most / 7 + " bytes");
    }

    @Override
    public void readNull() {}

    @Override
    public boolean readBoolean() throws IOException {
        byte value = bytes[take(1)];
        if (value != 0 && value != 1) {
            throw new IOException("a boolean of " + value);
        }
        return value == 1;
    }

    @Override
    public int readInt() throws IOException {
        long value = varint(35);
        if (value != (int) value) {
            throw new IOException("an int of " + value);
        }
        return (int) value;
    }

    @Override
    public long readLong() throws IOException {
        return varint(70);
    }

    @Override
    public float readFloat() throws IOException {
        return Float.intBitsToFloat(Integer.reverseBytes(ByteBuffer.wrap(bytes, take(4), 4).getInt()));
    }

    @Override
    public double readDouble() throws IOException {
        return Double.longBitsToDouble(Long.reverseBytes(ByteBuffer.wrap(bytes, take(8), 8).getLong()));
    }

    @Override
    public Utf8 readString(Utf8 old) throws IOException {
        int length = (int) Math.min(readLength(), Integer.MAX_VALUE);
        Utf8 text = new Utf8(new byte[length]);
        System.arraycopy(bytes, take(length), text.getBytes(), 0, length);
        return text;
    }

    @Override
    public String readString() throws IOException {
        return readString(null).toString();
    }

    @Override
    public void skipString() throws IOException {
        take(readLong());
    }

    @Override
    public ByteBuffer readBytes(ByteBuffer old) throws IOException {
        int length = (int) readLength();
        byte[] copy = new byte[length];
        System.arraycopy(bytes, take(length), copy, 0, length);
        return ByteBuffer.wrap(copy);
    }

    /** A length that is there, for the room for it is made next. */
    private long readLength() throws IOException {
        long length = readLong();
        int from = take(length);
        at = from;
        return length;
    }

    @Override
    public void skipBytes() throws IOException {
        take(readLong());
    }

    @Override
    public void readFixed(byte[] into, int start, int length) throws IOException {
        System.arraycopy(bytes, take(length), into, start, length);
    }

    @Override
    public void skipFixed(int length) throws IOException {
        take(length);
    }

    @Override
    public int readEnum() throws IOException {
        return readInt();
    }

    @Override
    public long readArrayStart() throws IOException {
        long count = readLong();
        if (count < 0) {
            readLong(); // of the block, in bytes
            count = -count;
        }
        return items(count);
    }

    @Override
    public long arrayNext() throws IOException {
        return readArrayStart();
    }

    @Override
    public long skipArray() throws IOException {
        long count = readLong();
        while (count < 0) {
            take(readLong());
            count = readLong();
        }
        return items(count);
    }

    @Override
    public long readMapStart() throws IOException {
        return readArrayStart();
    }

    @Override
    public long mapNext() throws IOException {
        return readArrayStart();
    }

    @Override
    public long skipMap() throws IOException {
        return skipArray();
    }

    @Override
    public int readIndex() throws IOException {
        return readInt();
    }
}
