// What is measured: one case a line of the figures, each with the rows that do the same work. A row is a client on a broker,
// `client>broker`; a row whose client or broker cannot run here is left out, aloud.

const fullStack = ['kfk>kfk', 'java>kafka']
const neutral = ['c>kfk', 'c>kafka', 'raw>raw']
/** Beside a bare Node server, which no broker in Node can beat. */
const bounded = [...neutral, 'c>node']
const clientsOnOurs = ['java>kfk', 'confluent>kfk', 'platformatic>kfk', 'kafkajs>kfk']
const all = [...fullStack, ...neutral, 'kfk>kafka', ...clientsOnOurs]
/** Besides `batches()`: a callback for each batch, without an object a record, and `for await` record by record. */
const waysToRead = ['kfk-callback>kfk', 'kfk-each>kfk']

const sizeName = (bytes) => (bytes >= 1000 ? `${bytes / 1000} KB` : `${bytes} B`)
const partitionsName = (count) => `${count} partition${count === 1 ? '' : 's'}`
const plain = { valueBytes: 100, acks: 'all', durability: 'os', partitions: 6 }

function produceCase(changes, rows, quick = []) {
  const params = { ...plain, ...changes }
  const { valueBytes, acks, durability, partitions, codec } = params
  const words = [sizeName(valueBytes), `acks=${acks}`, durability, partitionsName(partitions)]
  const name = ['produce', ...words, ...(codec ? [codec] : [])].join(' ')
  return { name, kind: 'produce', unit: 'records/s', params, rows, quick }
}

function consumeCase(changes, rows, quick = []) {
  const params = { ...plain, tier: 'cached', ...changes }
  const { valueBytes, tier, partitions, codec } = params
  const words = [sizeName(valueBytes), tier, partitionsName(partitions), ...(codec ? [codec] : [])]
  const name = ['consume', ...words].join(' ')
  return { name, kind: 'consume', unit: 'records/s', params, rows, quick }
}

/** A thousand producers that are faster than the disk: what counts is the memory of the broker. */
function floodCase() {
  const params = { ...plain, durability: 'disk', connections: 1000, requests: 4000 }
  const rows = ['c>kfk', 'c>kafka']
  return { name: floodName, kind: 'requests', unit: 'requests/s', params, rows, quick: [] }
}

/** Objects on their way through a serde. */
function typedCase(serde) {
  const params = { ...plain, valueBytes: 150, consumers: 1, serde }
  const name = `both at once, events as ${serde}`
  return { name, kind: 'both', unit: 'records/s', params, rows: ['kfk-typed>kfk'], quick: [] }
}

function bothCase(changes, rows, quick = []) {
  const params = { ...plain, consumers: 1, ...changes }
  const { valueBytes, consumers, durability } = params
  const what = consumers === 1 ? 'both at once' : `fan-out to ${consumers}`
  const name = `${what} ${sizeName(valueBytes)} ${durability}`
  return { name, kind: 'both', unit: 'records/s', params, rows, quick }
}

/** Calls one after the other before the clock starts, at most for so long, in milliseconds; then seconds at the rate. */
const warming = { warmCalls: 20_000, warmMs: 10_000, warmSeconds: 1, seconds: 5 }

function latencyCase(changes, rows, quick = []) {
  const params = { ...plain, ...warming, ...changes }
  const { rate, durability, idle, beside } = params
  const load = idle ? 'idle' : rate >= 1e6 ? `${rate / 1e6}M/s` : `${rate / 1e3}k/s`
  const name = `latency ${load} ${durability}${beside ? ` beside a ${beside} reader` : ''}`
  return { name, kind: 'latency', unit: 'us', params, rows, quick }
}

function requestsCase(changes, quick = []) {
  const params = { ...plain, acks: '1', perBatch: 1, inFlight: 1, ...changes }
  const { connections, durability } = params
  const name = `requests ${connections} connections ${durability}`
  return { name, kind: 'requests', unit: 'requests/s', params, rows: bounded, quick }
}

/** `kfk broker --processes 2`: two brokers as one cluster. */
const twoProcesses = 'kfk>kfk2'

/** Requests of 64 KB, five in flight for each. */
export const floodName = 'flood of 1,000 producers disk'

const codecs = ['gzip', 'snappy', 'lz4', 'zstd']
const idle = { idle: true, rate: 200, partitions: 1 }

/** All of them; `quick` are the rows that `--quick` measures when no case is named. */
export function allCases() {
  const latencyRows = ['kfk>kfk', 'java>kafka', 'kfk>kafka']
  return [
    produceCase({}, [...all, twoProcesses], [...fullStack, ...neutral]),
    produceCase({ acks: '1' }, fullStack),
    produceCase({ acks: '0' }, fullStack),
    produceCase({ durability: 'disk' }, [...fullStack, 'c>kfk', 'c>kafka'], ['kfk>kfk']),
    ...[1, 16, 100, 1000].flatMap((partitions) => [
      produceCase({ partitions }, [...fullStack, 'c>kfk', 'c>kafka']),
      produceCase({ partitions, durability: 'disk' }, [...fullStack, 'c>kfk']),
    ]),
    produceCase({ valueBytes: 1000 }, all),
    produceCase({ valueBytes: 100_000 }, [...fullStack, ...neutral]),
    ...codecs.map((codec) =>
      produceCase({ valueBytes: 1000, codec }, [...fullStack, 'c>kfk', 'c>kafka']),
    ),
    consumeCase({}, [...all, ...waysToRead], [...fullStack, 'c>kfk', 'c>kafka', waysToRead[0]]),
    consumeCase({ tier: 'hot' }, ['kfk>kfk', 'c>kfk', 'c>kafka']),
    consumeCase({ tier: 'cold' }, [...fullStack, 'c>kfk', 'c>kafka']),
    consumeCase({ partitions: 1000 }, fullStack),
    consumeCase({ valueBytes: 1000 }, [...all, ...waysToRead]),
    consumeCase({ valueBytes: 100_000 }, [...fullStack, 'c>kfk', 'c>kafka']),
    ...codecs.map((codec) => consumeCase({ valueBytes: 1000, codec }, fullStack)),
    bothCase({}, [...fullStack, twoProcesses, 'c>kfk', 'c>kafka'], fullStack),
    bothCase({ valueBytes: 1000 }, [...fullStack, 'c>kfk', 'c>kafka']),
    ...['json', 'msgpack'].map(typedCase),
    bothCase({ consumers: 10 }, ['kfk>kfk', 'c>kfk', 'c>kafka']),
    latencyCase(idle, [...latencyRows, 'node>node'], [...fullStack, 'node>node']),
    latencyCase({ ...idle, durability: 'disk' }, [...latencyRows, 'node>node']),
    latencyCase({ rate: 10_000 }, latencyRows),
    // Another topic is read meanwhile by the load program, which leaves the processor to the others.
    latencyCase({ rate: 10_000, beside: 'cold' }, ['kfk>kfk', 'kfk>kafka']),
    latencyCase({ rate: 10_000, beside: 'cached' }, ['kfk>kfk', 'kfk>kafka']),
    latencyCase({ rate: 100_000 }, latencyRows, fullStack),
    latencyCase({ rate: 300_000 }, latencyRows),
    latencyCase({ rate: 1_000_000 }, latencyRows),
    ...[1, 16, 64, 256].map((connections) =>
      requestsCase({ connections }, connections === 64 ? neutral : []),
    ),
    requestsCase({ connections: 64, durability: 'disk' }),
    requestsCase({ connections: 256, durability: 'disk' }),
    floodCase(),
  ]
}

/** Ten minutes at 70 % of `rate`, the most that produce and consume at once have reached. */
export function soakCase(rate) {
  const paced = Math.round((rate * 0.7) / 1000) * 1000
  const each = latencyCase({ rate: paced, seconds: 600, warmSeconds: 10 }, ['kfk>kfk'])
  return { ...each, name: 'soak 10 minutes at 70 %', kind: 'soak' }
}

/** The cases and rows that are wanted: `only` are parts of names, `peers` clients and brokers besides our own. */
export function chooseCases(cases, { only, peers, quick }) {
  const named = ({ name }) => only.length === 0 || only.some((part) => name.includes(part))
  const wanted = (row) => row.split('>').every((side) => side.startsWith('kfk') || peers.has(side))
  return cases
    .filter(named)
    .map((each) => {
      const rows = quick && only.length === 0 ? each.quick : each.rows
      return { ...each, rows: rows.filter(wanted) }
    })
    .filter(({ rows }) => rows.length > 0)
}
