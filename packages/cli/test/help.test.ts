import packageJson from '../package.json'
import { kfk } from './kfk-in-process'

const commands = [
  ...['broker', 'topic', 'produce', 'consume', 'groups', 'configs', 'offsets', 'records'],
  ...['log-dirs', 'transactions', 'load', 'verify', 'dump'],
]
const subcommands = {
  topic: ['create', 'list', 'describe', 'alter', 'delete'],
  groups: ['list', 'describe', 'reset', 'delete-offsets', 'remove-members', 'delete'],
  configs: ['describe', 'set', 'unset'],
  records: ['delete'],
  transactions: ['list', 'describe', 'producers'],
}

it('says its version', async () => {
  const { code, stdout } = await kfk(['--version'])
  expect({ code, stdout }).toEqual({ code: 0, stdout: `${packageJson.version}\n` })
})

it('lists every command', async () => {
  const { code, stdout } = await kfk(['help'])
  expect(code).toBe(0)
  for (const command of commands) expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'))
  expect(stdout).toContain('Exit status')
})

it.each(commands)('helps with %s, with examples, in both ways of asking', async (command) => {
  const help = await kfk(['help', command])
  expect(help.code).toBe(0)
  expect(help.stdout).toContain(`Usage: kfk ${command}`)
  expect(help.stdout).toMatch(new RegExp(`Examples:[^]*kfk ${command} `))
  expect((await kfk([command, '--help'])).stdout).toBe(help.stdout)
})

it.each(Object.entries(subcommands).flatMap(([of, names]) => names.map((name) => [of, name])))(
  'helps with %s %s, with examples',
  async (of, name) => {
    const { code, stdout } = await kfk([of, name, '--help'])
    expect(code).toBe(0)
    expect(stdout).toMatch(new RegExp(`Examples:[^]*kfk ${of} ${name}`))
  },
)

it('every line of every help fits a terminal of 100 characters', async () => {
  for (const command of commands) {
    const { stdout } = await kfk(['help', command])
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(100)
  }
})

it('a mistyped command or option is a usage error that says what was meant', async () => {
  const command = await kfk(['brokr'])
  expect(command.code).toBe(2)
  expect(command.stderr).toContain("unknown command 'brokr'")
  expect(command.stderr).toContain('Did you mean broker?')
  const option = await kfk(['broker', '--prot', '1'])
  expect(option.code).toBe(2)
  expect(option.stderr).toContain('Did you mean --port?')
  expect((await kfk(['topic', 'craete', 'x'])).stderr).toContain('Did you mean create?')
})

it('without a command it prints the help and fails', async () => {
  const { code, stdout, stderr } = await kfk([])
  expect(code).toBe(2)
  expect(stdout).toBe('')
  expect(stderr).toContain('Usage: kfk')
})

it.each([
  [['broker', '--port', '70000'], '0 to 65535'],
  [['broker', '--node-id', '1024'], '0 to 1023'],
  [['broker', '--set', 'num.partitions'], 'name=value'],
  [['broker', '--durability', 'memory'], 'Allowed choices are disk, os'],
  [['topic', 'create'], "missing required argument 'topic'"],
  [['consume', 'x', '--from', 'yesterday'], 'Allowed are earliest, latest'],
  [['consume', 'x', '--format', '%z'], 'A % is followed by one of'],
  [['consume', 'x', '--json', '--format', '%v'], 'exclude each other'],
  [['consume', 'x', '--follow', '--to-end'], 'exclude each other'],
  [['groups', 'reset', 'g'], "required option '--to <where>'"],
  [['load', 'x'], 'where to?'],
  [['load', 'x', '--to', 'a', '--hdfs', 'b'], 'the same thing'],
  [['topic', 'list', '--brokers', 'nonsense:port'], 'is not a broker address'],
] as const)('%j is a usage error', async (args, message) => {
  const { code, stdout, stderr } = await kfk(args)
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toContain(message)
  expect(stderr).not.toMatch(/\n\s+at /)
})

it('nobody listening is an error with advice; a stack trace only when asked for', async () => {
  const args = ['topic', 'list', '--brokers', '127.0.0.1:1']
  const { code, stderr } = await kfk(args)
  expect(code).toBe(1)
  expect(stderr).toContain('Nothing listens on 127.0.0.1:1')
  expect(stderr).not.toMatch(/\n\s+at /)
  expect((await kfk(args, { env: { KFK_DEBUG: '1' } })).stderr).toMatch(/\n\s+at /)
})
