// The arguments of `npm run bench`.
import { parseArgs } from 'node:util'

export const peerNames = [
  ...['kafka', 'java', 'kafkajs', 'platformatic', 'confluent', 'c', 'raw', 'node'],
]
/** What `--quick` leaves out unless it is named: these are slow, and no broker's limit. */
const slowPeers = new Set(['kafkajs', 'platformatic', 'confluent'])

export const usage = `npm run bench -- [options]        broker and clients beside their peers
npm run bench -- log-store ...    the log store beside the same I/O in C
npm run bench -- start | sizes    start-up time and memory | sizes of the packages

  --only PART        cases whose name has PART in it; repeatable or with commas
  --peers A,B        of ${peerNames.join(', ')}; "none" for kfk alone (default: all that are here; none with
                   --profile)
  --rounds N         rounds, interleaved (default 5; 1 with --quick)
  --quick            some cases with few records: about two minutes
  --soak [RATE]      ten minutes at 70 % of RATE records/s instead (default 1000000)
  --profile          writes CPU profiles of all our processes to out/profiles and prints what is on top; one round
  --dir PATH         where the brokers have their data (default: the system's temporary directory)
  --list             names of the cases`

const list = (values) => values.flatMap((value) => value.split(',')).filter((part) => part !== '')

/** Throws an Error whose message is for the user. */
export function parseOptions(args) {
  const soakAt = args.indexOf('--soak')
  const bareSoak = soakAt >= 0 && !/^\d/.test(args[soakAt + 1] ?? '')
  const { values } = parseArgs({
    args: bareSoak ? args.with(soakAt, '--soak=1000000') : args,
    options: {
      only: { type: 'string', multiple: true, default: [] },
      peers: { type: 'string', multiple: true },
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      soak: { type: 'string' },
      profile: { type: 'boolean', default: false },
      dir: { type: 'string' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const { quick, profile, dir, help } = values
  const rounds = Number(values.rounds ?? (profile || values.soak || quick ? 1 : 5))
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds takes a number from 1 on')
  const soak = values.soak === undefined ? undefined : Number(values.soak)
  if (soak !== undefined && !(soak >= 1000)) throw new Error('--soak takes records a second')
  return {
    only: list(values.only),
    peers: values.peers === undefined && profile ? new Set() : peersOf(values.peers, quick),
    ...{ rounds, quick, soak, profile, dir, help, list: values.list },
  }
}

function peersOf(given, quick) {
  if (given === undefined) {
    return new Set(peerNames.filter((name) => !quick || !slowPeers.has(name)))
  }
  const named = list(given).filter((name) => name !== 'none')
  const unknown = named.filter((name) => !peerNames.includes(name))
  if (unknown.length > 0) {
    throw new Error(`--peers takes ${peerNames.join(', ')} or none, not ${unknown.join(', ')}`)
  }
  return new Set(named)
}
