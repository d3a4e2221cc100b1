/**
 * JVMs that start fast: what each would do again, compile a fixture, load and verify thousands of
 * classes, is done once on a machine and kept beside the jars.
 */
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { runProcess } from './child.js'
import { findProgram, peersDir } from './peers.js'

/** For programs that live for seconds. */
export const briefJvm = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']

const making = new Map<string, Promise<string>>()

/**
 * The file or folder `name` beside the jars, which `make` has made, now or long ago. `of`: what it
 * was made of; when that changes, it is made anew.
 */
export function madeOnce(
  name: string,
  of: readonly string[],
  make: (target: string) => Promise<void>,
): Promise<string> {
  const hash = createHash('sha256').update(of.join('\n')).digest('hex').slice(0, 12)
  const target = path.join(peersDir, `${name}-${hash}`)
  let made = making.get(target)
  if (made === undefined) making.set(target, (made = makeUnlessThere(target, make)))
  return made
}

async function makeUnlessThere(
  target: string,
  make: (target: string) => Promise<void>,
): Promise<string> {
  if (fs.existsSync(target)) return target
  const partial = `${target}.${process.pid}.partial`
  fs.rmSync(partial, { recursive: true, force: true })
  await make(partial)
  try {
    fs.renameSync(partial, target)
  } catch (error) {
    // Another process was first.
    if (!fs.existsSync(target)) throw error
    fs.rmSync(partial, { recursive: true, force: true })
  }
  return target
}

/** `-cp` of the jars in a folder, and of others after them. */
export function classPath(jars: string, ...others: readonly string[]): string[] {
  return ['-cp', [path.join(jars, '*'), ...others].join(':')]
}

/** What an archive of classes is good for: this Java with these jars. */
export function javaWith(jars: string): string[] {
  const java = fs.realpathSync(findProgram('java')!)
  return [java, String(fs.statSync(java).mtimeMs), jars, String(fs.statSync(jars).mtimeMs)]
}

/** A jar of the class in that source file, which needs `jars`. */
export function compiled(source: string, jars: string): Promise<string> {
  const of = [fs.readFileSync(source, 'utf8'), ...javaWith(jars)]
  const make = (target: string) => compile(source, jars, target)
  return madeOnce(path.basename(source, '.java'), of, make)
}

async function compile(source: string, jars: string, target: string): Promise<void> {
  const names = fs.readdirSync(jars).filter((name) => name.endsWith('.jar'))
  const needed = names.map((name) => path.join(jars, name)).join(':')
  const classes = `${target}.classes`
  await runJava(['jdk.compiler/com.sun.tools.javac.Main', '-cp', needed, '-d', classes, source])
  await runJava([
    'jdk.jartool/sun.tools.jar.Main',
    '--create',
    '--file',
    target,
    '-C',
    classes,
    '.',
  ])
  fs.rmSync(classes, { recursive: true })
}

async function runJava(args: readonly string[]): Promise<void> {
  const done = await runProcess('java', ['-m', ...args])
  if (done.code !== 0) throw new Error(`java -m ${args[0]} failed: ${done.stdout}${done.stderr}`)
}

/** Writes the archive when the JVM ends in good order. */
export const writeArchive = (file: string): string => `-XX:ArchiveClassesAtExit=${file}`

/** Takes classes from it; a JVM that finds it unfit does without. */
export function useArchive(file: string): string[] {
  return [`-XX:SharedArchiveFile=${file}`, '-Xlog:cds=off', '-Xlog:cds+dynamic=off']
}
