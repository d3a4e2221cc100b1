// Property: the commands of README.md print what it says they print.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { kfk, RunningCommand, Sandbox } from './kfk-in-process'

const readme = readFileSync(join(__dirname, '../README.md'), 'utf8')
const sessions = [...readme.matchAll(/```console\n(.*?)```/gs)].map((match) => match[1]!)

const sandbox = new Sandbox()
const home = process.cwd()
let running: RunningCommand | undefined
afterAll(async () => {
  process.chdir(home)
  await running?.stop()
  await sandbox.close()
})

/** Commands with the output that follows them. */
function stepsOf(session: string) {
  return session
    .split(/^\$ /m)
    .slice(1)
    .map((step) => {
      const [command, ...output] = step.split('\n')
      return { command: command!, output: output.join('\n') }
    })
}

/** Words as a shell splits them; `'...'` is the only quotation here. */
function words(command: string): string[] {
  return [...command.matchAll(/'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2]!)
}

/** What differs from run to run. */
function masked(text: string): string {
  return text
    .replaceAll(process.cwd(), '/home/me')
    .replace(/cluster \S{22}/g, 'cluster ID')
    .replace(/127\.0\.0\.1:\d+/g, 'ADDRESS')
    .replace(/\d+ B\b/g, 'BYTES')
    .replace(/in [\d.]+ s, \d+ records\/s/g, 'in TIME')
}

async function run(command: string, env: Record<string, string>): Promise<string> {
  const [, text, args] = /^(?:echo (.*) \| )?kfk (.*)$/.exec(command)!
  const input = text === undefined ? '' : `${words(text).join(' ')}\n`
  const { stdout, stderr, code } = await kfk(words(args!), { env, input })
  expect({ command, code, stderr }).toMatchObject({ code: 0 })
  return stdout + stderr
}

it('a broker, and a session with it', async () => {
  process.chdir(await sandbox.directory())
  const [broker, ...steps] = sessions.flatMap(stepsOf)
  // Whatever else the machine runs on the port.
  const args = words(broker!.command.replace('9092', '0')).slice(1)
  running = new RunningCommand(args)
  const [line, address] = await running.stdout.has(/^listening on (\S+) .*\n/)
  expect(masked(line)).toBe(masked(broker!.output.replace(/\n+$/, '\n')))
  for (const { command, output } of steps) {
    const said = await run(command, { KFK_BROKERS: address! })
    expect({ command, said: masked(said) }).toEqual({ command, said: masked(output) })
  }
  expect(await running.stop()).toBe(0)
})

it('names every command', async () => {
  const { stdout } = await kfk(['help'])
  const [list] = /^Commands:\n(?: {2}.*\n)*/m.exec(stdout)!
  const names = [...list.matchAll(/^ {2}(\w+)/gm)].map((match) => match[1]!)
  const commands = names.filter((name) => name !== 'help')
  expect(commands.length).toBeGreaterThan(6)
  for (const name of commands) expect(readme).toContain(`\`kfk ${name}`)
})
