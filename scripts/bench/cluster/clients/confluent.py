"""confluent-kafka (librdkafka) as child.mjs expects a client: confluent.py JOB."""

import json
import sys
import time

from confluent_kafka import Consumer, OFFSET_BEGINNING, Producer, TopicPartition

job = json.loads(sys.argv[1])


def produce():
    producer = Producer(
        {
            "bootstrap.servers": job["address"],
            "acks": job["acks"],
            "enable.idempotence": job["acks"] == "all",
            "compression.codec": job.get("codec") or "none",
            "linger.ms": 5,
            "batch.size": 131072,
            "batch.num.messages": 1000000,
            "queue.buffering.max.messages": 1000000,
        }
    )
    failed = []

    def delivered(error, _):
        if error is not None:
            failed.append(error)

    values = [(b"value-%d-" % n).ljust(job["valueBytes"], b"x") for n in range(1024)]

    def send(topic, records):
        for n in range(records):
            while True:
                try:
                    producer.produce(topic, values[n & 1023], on_delivery=delivered)
                    break
                except BufferError:
                    producer.poll(0.01)
            if n & 1023 == 0:
                producer.poll(0)
        producer.flush()
        if failed:
            raise RuntimeError(failed[0])

    send(job["warmTopic"], job["warmRecords"])
    send(job["topic"], 1)

    def work():
        start = time.monotonic()
        send(job["topic"], job["records"] - 1)
        return {"records": job["records"] - 1, "seconds": time.monotonic() - start}

    return work


def consume():
    consumer = Consumer(
        {
            "bootstrap.servers": job["address"],
            "group.id": "bench",
            "enable.auto.commit": False,
            "queued.max.messages.kbytes": 65536,
        }
    )

    def work():
        start = time.monotonic()
        parts = range(job["partitions"])
        consumer.assign([TopicPartition(job["topic"], p, OFFSET_BEGINNING) for p in parts])
        seen = size = 0
        while seen < job["records"]:
            for message in consumer.consume(10000, 1.0):
                size += len(message.value())
                seen += 1
        if size < job["records"] * job["valueBytes"]:
            raise RuntimeError("%d bytes" % size)
        return {"records": job["records"], "seconds": time.monotonic() - start}

    return work


work = {"produce": produce, "consume": consume}[job["role"]]()
print("ready", flush=True)
sys.stdin.readline()
print(json.dumps(work()), flush=True)
sys.stdin.read()
