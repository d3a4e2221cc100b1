/** Which words brought a visitor here, when the referrer is a search engine that tells. */
export interface Search {
  readonly engine: string
  /** Lower case, blanks folded. */
  readonly words: string
}

/** Host name (its registered part) and the query parameter that carries the words. */
const engines: readonly { name: string; host: RegExp; parameter: string }[] = [
  { name: 'google', host: /(^|\.)google(\.[a-z]{2,3}){1,2}$/, parameter: 'q' },
  { name: 'bing', host: /(^|\.)bing\.com$/, parameter: 'q' },
  { name: 'duckduckgo', host: /(^|\.)duckduckgo\.com$/, parameter: 'q' },
  { name: 'yahoo', host: /(^|\.)search\.yahoo\.(com|co\.jp)$/, parameter: 'p' },
  { name: 'yandex', host: /(^|\.)yandex\.[a-z]{2,3}(\.[a-z]{2})?$/, parameter: 'text' },
  { name: 'baidu', host: /(^|\.)baidu\.com$/, parameter: 'wd' },
  { name: 'ecosia', host: /(^|\.)ecosia\.org$/, parameter: 'q' },
  { name: 'ask', host: /(^|\.)ask\.com$/, parameter: 'q' },
]

/**
 * The search behind a referrer, or undefined: no search engine, no query, or a query without words.
 */
export function searchOf(referrer: string | null): Search | undefined {
  if (referrer === null || !URL.canParse(referrer)) return undefined
  const url = new URL(referrer)
  const engine = engines.find(({ host }) => host.test(url.hostname))
  const query = engine && url.searchParams.get(engine.parameter)
  if (!engine || !query || !/[\p{L}\p{N}]/u.test(query)) return undefined
  return { engine: engine.name, words: query.trim().replace(/\s+/g, ' ').toLowerCase() }
}
