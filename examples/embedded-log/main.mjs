import { openLog } from '@kfk/log-store'

const log = await openLog('./out/embedded-log')
await log.append('a page view') // resolves when it is on disk
const offset = await log.append('a search', { key: 'visitor-1' })

for await (const record of log.records({ from: offset })) {
  console.log(record.offset, Buffer.from(record.value).toString())
}
await log.close()
