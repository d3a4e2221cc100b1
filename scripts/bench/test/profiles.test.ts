import { topFunctions } from '../cluster/profiles.mjs'

const frame = (functionName: string, url = '', lineNumber = 0) => ({
  functionName,
  url,
  lineNumber,
})
const append = frame('append', 'file:///x/packages/broker/dist/index.js', 9)

test('functions are ordered by the time of their own, idle time left out', () => {
  const profile = {
    nodes: [
      { id: 1, callFrame: frame('(idle)') },
      { id: 2, callFrame: append },
      { id: 3, callFrame: append },
      { id: 4, callFrame: frame('(garbage collector)') },
    ],
    samples: [1, 2, 4, 3, 2],
    timeDeltas: [500, 10, 50, 20, 20],
  }
  expect(topFunctions(profile)).toEqual([
    { name: 'append broker/dist/index.js:10', share: 0.5 },
    { name: '(garbage collector)', share: 0.5 },
  ])
  expect(topFunctions(profile, 1)).toHaveLength(1)
})

test('what Node does is told with who in the project asked for it', () => {
  const profile = {
    nodes: [
      { id: 1, callFrame: append, children: [2] },
      { id: 2, callFrame: frame('writevSync', 'node:fs', 4), children: [3] },
      { id: 3, callFrame: frame('writeBuffers') },
      { id: 4, callFrame: frame('read') },
    ],
    samples: [3, 4],
    timeDeltas: [30, 10],
  }
  expect(topFunctions(profile)).toEqual([
    { name: 'writeBuffers < append broker/dist/index.js:10', share: 0.75 },
    { name: 'read', share: 0.25 },
  ])
})
