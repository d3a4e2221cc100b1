// The order of the test files: those that wait for processes and networks first, and then, when nobody is left whom
// they could starve, the proofs that keep the processors busy, the longest first.
import Sequencer from '@jest/test-sequencer'

const proofs = [
  'model',
  'races',
  'crash-explorer-synced',
  'crash-explorer-unsynced',
  'syscall-openings',
  'syscall-failures',
  'corruption-side-files',
  'corruption-exhaustive-files',
  'corruption-exhaustive-closed',
  'corruption-exhaustive-crashed',
  'transaction-histories',
  'crash-explorer-compaction',
  'kill',
  'log-tracking-crash',
  'power-loss',
].map((name) => `/packages/log-store/test/${name}.test.ts`)

const rank = ({ path }) => proofs.findIndex((proof) => path.endsWith(proof))

export default class ProofsLast extends Sequencer {
  sort(tests) {
    const others = tests.filter((test) => rank(test) < 0)
    const last = tests.filter((test) => rank(test) >= 0)
    return [...super.sort(others), ...last.sort((one, other) => rank(one) - rank(other))]
  }
}
