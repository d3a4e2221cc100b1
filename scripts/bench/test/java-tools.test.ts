import { parseConsumerPerformance, parseProducerPerformance } from '../cluster/java-tools.mjs'

test('the rate of a producer run is that of its last line', () => {
  const text = [
    '100001 records sent, 20000.2 records/sec (1.91 MB/sec), 5.1 ms avg latency, 90.0 ms max latency.',
    '500000 records sent, 250000.0 records/sec (23.84 MB/sec), 1.00 ms avg latency, 2 ms 50th.',
    '#exit 1 0',
  ].join('\n')
  expect(parseProducerPerformance(text)).toEqual({ records: 500_000, seconds: 2 })
})

test('the time of a consumer run leaves out what joining took', () => {
  const text =
    '[main] INFO starting\n2026-01-02 03:04:05:000, 2026-01-02 03:04:07:000, 47.6837, 23.8, 500000, 250000.0, 1500, 500, 95.3, 1000000.0\n'
  expect(parseConsumerPerformance(text)).toEqual({ records: 500_000, seconds: 0.5 })
})
