import { topFunctions } from '../cluster/profiles.mjs'

const frame = (functionName: string, url = '', lineNumber = 0) => ({
  functionName,
  url,
  lineNumber,
})

test('functions are ordered by the time of their own, idle time left out', () => {
  const profile = {
    nodes: [
      { id: 1, callFrame: frame('(idle)') },
      { id: 2, callFrame: frame('append', 'file:///x/packages/broker/dist/index.js', 9) },
      { id: 3, callFrame: frame('append', 'file:///x/packages/broker/dist/index.js', 9) },
      { id: 4, callFrame: frame('writev') },
    ],
    samples: [1, 2, 4, 3, 2],
    timeDeltas: [500, 10, 50, 20, 20],
  }
  expect(topFunctions(profile)).toEqual([
    { name: 'append broker/dist/index.js:10', share: 0.5 },
    { name: 'writev', share: 0.5 },
  ])
  expect(topFunctions(profile, 1)).toHaveLength(1)
})
