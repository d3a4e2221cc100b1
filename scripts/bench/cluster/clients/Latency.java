// The Java client at a fixed rate, as child.mjs expects a client: Latency.java ROLE ADDRESS TOPIC PARTITIONS VALUE_BYTES RATE
// WARM_SECONDS SECONDS IDLE WARM_CALLS WARM_MS. The plan and what values hold are those of open-loop.mjs and paced.mjs.
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.locks.LockSupport;
import org.HdrHistogram.Histogram;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class Latency {
  static String topic;
  static int partitions, valueBytes;
  static int warmCalls, warmMs;
  static double rate, warmSeconds, seconds;
  static boolean idle;
  static final Properties settings = new Properties();

  static double nowUs() {
    return System.nanoTime() / 1e3;
  }

  static void ready() throws Exception {
    System.out.println("ready");
    System.in.read();
  }

  static void produce(double ticksPerSecond, long perTick, long total) throws Exception {
    // What the client does by itself: batches wait for up to five milliseconds unless told otherwise.
    settings.put("linger.ms", "0");
    settings.put("acks", "all");
    KafkaProducer<byte[], byte[]> producer =
        new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
    byte[] warm = ByteBuffer.allocate(valueBytes).putDouble(-1).array();
    double endUs = nowUs() + warmMs * 1e3;
    producer.send(new ProducerRecord<>(topic, warm)).get();
    for (int call = 1; call < warmCalls && nowUs() < endUs; call++) {
      producer.send(new ProducerRecord<>(topic, warm)).get();
    }
    ready();
    double tickUs = 1e6 / ticksPerSecond, startUs = nowUs();
    for (long sent = 0; sent < total; ) {
      double tickAtUs = startUs + (sent / perTick) * tickUs;
      for (double left = tickAtUs - nowUs(); left > 0; left = tickAtUs - nowUs()) {
        LockSupport.parkNanos((long) (left * 1000));
      }
      for (long n = 0; n < perTick; n++, sent++) {
        double dueUs = tickAtUs - startUs < warmSeconds * 1e6 ? 0 : idle ? nowUs() : tickAtUs;
        byte[] value = ByteBuffer.allocate(valueBytes).putDouble(dueUs).array();
        producer.send(new ProducerRecord<>(topic, value));
      }
    }
    producer.flush();
    System.out.printf("{\"records\":%d,\"seconds\":%.6f}%n", total, (nowUs() - startUs) / 1e6);
  }

  static void consume(long total) throws Exception {
    KafkaConsumer<byte[], byte[]> consumer =
        new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    List<TopicPartition> all = new ArrayList<>();
    for (int n = 0; n < partitions; n++) all.add(new TopicPartition(topic, n));
    consumer.assign(all);
    consumer.seekToBeginning(all);
    consumer.poll(Duration.ofMillis(500));
    Histogram histogram = new Histogram(600_000_000L, 3);
    // What warms up comes before anybody says go.
    Thread warming = new Thread(() -> read(consumer, histogram, total));
    warming.start();
    ready();
    warming.join();
    System.out.printf(
        "{\"records\":%d,\"p50Us\":%d,\"p99Us\":%d,\"p999Us\":%d,\"maxUs\":%d}%n",
        total,
        histogram.getValueAtPercentile(50),
        histogram.getValueAtPercentile(99),
        histogram.getValueAtPercentile(99.9),
        histogram.getMaxValue());
  }

  static void read(KafkaConsumer<byte[], byte[]> consumer, Histogram histogram, long total) {
    for (long seen = 0; seen < total; ) {
      for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(500))) {
        double dueUs = ByteBuffer.wrap(record.value()).getDouble();
        if (dueUs > 0) histogram.recordValue(Math.max(1, Math.round(nowUs() - dueUs)));
        if (dueUs >= 0) seen++;
      }
    }
  }

  public static void main(String[] args) throws Exception {
    settings.put("bootstrap.servers", args[1]);
    topic = args[2];
    partitions = Integer.parseInt(args[3]);
    valueBytes = Integer.parseInt(args[4]);
    rate = Double.parseDouble(args[5]);
    warmSeconds = Double.parseDouble(args[6]);
    seconds = Double.parseDouble(args[7]);
    idle = Boolean.parseBoolean(args[8]);
    warmCalls = Integer.parseInt(args[9]);
    warmMs = Integer.parseInt(args[10]);
    double ticksPerSecond = Math.min(rate, 1000);
    long perTick = Math.round(rate / ticksPerSecond);
    long total = (long) Math.floor((warmSeconds + seconds) * ticksPerSecond) * perTick;
    if (args[0].equals("pacedProduce")) produce(ticksPerSecond, perTick, total);
    else consume(total);
    System.out.flush();
    while (System.in.read() >= 0) {}
    Runtime.getRuntime().halt(0);
  }
}
