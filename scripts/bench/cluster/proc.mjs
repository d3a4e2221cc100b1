// What a process has used, from Linux's /proc; nothing where there is no /proc.
import fs from 'node:fs'

/** Linux counts processor time of processes in hundredths of a second, whatever the kernel's own clock. */
const ticksPerSecond = 100

/** `/proc/<pid>/stat`: the name may hold spaces and brackets, so fields count from the last bracket. */
export function parseStat(text) {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return {
    userSeconds: Number(fields[11]) / ticksPerSecond,
    systemSeconds: Number(fields[12]) / ticksPerSecond,
  }
}

/** `/proc/<pid>/status`: resident memory now and at most so far, in MB of 10^6 bytes. */
export function parseStatus(text) {
  const megabytes = (name) => {
    const found = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)
    return found ? (Number(found[1]) * 1024) / 1e6 : undefined
  }
  return { residentMb: megabytes('VmRSS'), peakMb: megabytes('VmHWM') }
}

/** Undefined when the process is gone. */
export function usageOf(pid) {
  try {
    return {
      ...parseStat(fs.readFileSync(`/proc/${pid}/stat`, 'utf8')),
      ...parseStatus(fs.readFileSync(`/proc/${pid}/status`, 'utf8')),
    }
  } catch {
    return undefined
  }
}

/** Of a process and all that it has started, together; undefined when it is gone. */
export function usageOfTree(pid) {
  const total = usageOf(pid)
  for (const child of total === undefined ? [] : childrenOf(pid)) {
    const used = usageOfTree(child)
    for (const name in used) total[name] += used[name]
  }
  return total
}

function childrenOf(pid) {
  try {
    const text = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
    return text === '' ? [] : text.split(' ').map(Number)
  } catch {
    return []
  }
}

/** Processor seconds between two usages of one process, and the memory at the second. */
export function usedBetween(before, after) {
  if (before === undefined || after === undefined) return undefined
  return {
    userSeconds: after.userSeconds - before.userSeconds,
    systemSeconds: after.systemSeconds - before.systemSeconds,
    residentMb: after.residentMb,
  }
}
