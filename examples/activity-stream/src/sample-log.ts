/**
 * A made-up access log: the same lines for the same seed, with what real ones have: a few pages
 * that most visitors want, times that run backwards now and then, searches, and here and there a
 * broken line.
 */
export interface SampleOptions {
  readonly seed: number
  readonly lines: number
}

const pages = [
  '/',
  '/blog/geekery/log-structured.html',
  '/projects/kfk',
  '/images/logo.png',
  '/style.css',
  '/robots.txt',
  '/articles/dynamic-dns',
  '/blog/tags/streams',
  '/docs/quickstart',
  '/docs/partitions',
  '/docs/consumer-groups',
  '/presentations/activity-streams/',
  '/downloads',
  '/about',
  '/favicon.ico',
]
const words = [
  'kafka without java',
  'commit log',
  'consumer group',
  'load kafka into hdfs',
  'page view counting',
  'exactly once',
  'o(1) disk structures',
]
const agents = [
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/34.0.1847.116 Safari/537.36',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_9_2) AppleWebKit/537.75.14',
  'UniversalFeedParser/4.2-pre-314-svn',
]
const months = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')
const startMs = Date.UTC(2026, 4, 17, 10, 5, 0)

/** Small, seeded, good enough to pick pages (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The lines of the sample, without line ends. */
export function* sampleLog({ seed, lines }: SampleOptions): Generator<string, void, undefined> {
  const random = randomOf(seed)
  // The square of a uniform number prefers the beginning of a list, as visitors prefer the front
  // page.
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() ** 2 * list.length)]!
  for (let line = 0; line < lines; line++) {
    const visitor = `10.${Math.floor(random() ** 2 * 8)}.${Math.floor(random() * 16)}.${Math.floor(random() * 250)}`
    const time = logTime(startMs + line * 900 - Math.floor(random() * 4000))
    const status = random() < 0.95 ? 200 : 404
    const size = Math.floor(random() ** 3 * 200_000)
    const search = random() < 0.05
    const referrer = search
      ? `https://www.google.com/search?q=${encodeURIComponent(pick(words))}`
      : random() < 0.5
        ? '-'
        : `http://example.org${pick(pages)}`
    const request = `GET ${pick(pages)} HTTP/1.1`
    const agent = pick(agents)
    const broken = random() < 0.0005
    yield `${visitor} - - [${time}] "${request}" ${status} ${size} "${referrer}" "${agent}${broken ? '' : '"'}`
  }
}

function logTime(ms: number): string {
  const at = new Date(ms)
  const two = (value: number): string => String(value).padStart(2, '0')
  const date = `${two(at.getUTCDate())}/${months[at.getUTCMonth()]}/${at.getUTCFullYear()}`
  return `${date}:${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())} +0000`
}
