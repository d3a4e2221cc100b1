// Small file systems of a test's own, mounted where the machine allows it.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type VolumeKind = 'ext4' | 'xfs' | 'tmpfs'

const megabyte = 1024 ** 2
const makers: Record<VolumeKind, { program: string; arguments: string[]; bytes: number }> = {
  ext4: { program: 'mkfs.ext4', arguments: ['-q', '-F'], bytes: 64 * megabyte },
  // The least that mkfs.xfs agrees to; the image is sparse.
  xfs: { program: 'mkfs.xfs', arguments: ['-q', '-f'], bytes: 320 * megabyte },
  tmpfs: { program: 'mount', arguments: [], bytes: 0 },
}

// FS_IOC_SHUTDOWN with NOLOGFLUSH: from here on nothing reaches the medium, the journal included. It
// waits for its input to begin, so that the start of a process lies before the moment and not in it.
const shutDown =
  'sysopen(my $volume, $ARGV[0], 0) or die "$!"; my $noLogFlush = pack("L", 2);' +
  'syswrite(STDOUT, "r"); sysread(STDIN, my $go, 1);' +
  'ioctl($volume, 0x8004587d, $noLogFlush) or die "ioctl: $!";'

/** A power cut that only waits for its moment. */
export interface PowerSwitch {
  /** Cuts: at some time between the call and its answer. */
  cut(): Promise<void>
}

/** A file system that can lose its power. */
export class MountedVolume {
  readonly path: string
  readonly kind: VolumeKind
  readonly #home: string
  readonly #options: string
  #mounted = false

  private constructor(kind: VolumeKind, options: string) {
    this.kind = kind
    this.#options = options
    this.#home = mkdtempSync(join(tmpdir(), `kfk-${kind}-`))
    this.path = join(this.#home, 'mounted')
    mkdirSync(this.path)
  }

  /**
   * Makes and mounts it. A text says why this machine cannot: to be told aloud, for what the test is
   * about was not looked at. `options` are mount's.
   */
  static make(kind: VolumeKind, options = ''): MountedVolume | string {
    const missing = missingPart(kind)
    if (missing !== undefined) return `not available: ${kind} volume: ${missing}`
    const volume = new MountedVolume(kind, options)
    try {
      volume.#format()
      volume.mount()
      if (kind !== 'tmpfs') volume.#tryPowerCut()
      return volume
    } catch (error) {
      volume.dispose()
      return `not available: ${kind} volume: ${(error as Error).message.trim()}`
    }
  }

  mount(): void {
    const options = [this.kind === 'tmpfs' ? '' : 'loop', this.#options].filter(Boolean).join(',')
    const source = this.kind === 'tmpfs' ? 'tmpfs' : this.#image
    const flags = options === '' ? [] : ['-o', options]
    execFileSync('mount', ['-t', this.kind, ...flags, source, this.path], { stdio: 'pipe' })
    this.#mounted = true
  }

  /** Waits for calls that are under way; fails when a file stays open. */
  async unmount(): Promise<void> {
    for (const deadlineMs = performance.now() + 5_000; ;) {
      const done = spawnSync('umount', [this.path])
      if (done.status === 0) break
      if (performance.now() > deadlineMs) throw new Error(done.stderr.toString())
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    this.#mounted = false
  }

  /** A switch for the power of this volume, while this process goes on. */
  armPowerSwitch(): Promise<PowerSwitch> {
    const child = spawn('perl', ['-e', shutDown, this.path], { stdio: ['pipe', 'pipe', 'inherit'] })
    const ended = new Promise<void>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code) => {
        if (code === 0) resolve()
        else reject(new Error(`cannot cut the power of ${this.path}`))
      })
    })
    ended.catch(() => undefined)
    const cut = () => {
      child.stdin.end('g')
      return ended
    }
    return new Promise((resolve, reject) => {
      child.stdout.once('data', () => resolve({ cut }))
      ended.catch(reject)
    })
  }

  /** Unmounts, whoever still has files open, and removes all of it. */
  dispose(): void {
    if (this.#mounted) spawnSync('umount', ['-l', this.path])
    this.#mounted = false
    rmSync(this.#home, { recursive: true, force: true })
  }

  #tryPowerCut(): void {
    execFileSync('perl', ['-e', shutDown, this.path], { input: 'g', stdio: 'pipe' })
    execFileSync('umount', [this.path], { stdio: 'pipe' })
    this.mount()
  }

  get #image(): string {
    return join(this.#home, 'image')
  }

  #format(): void {
    const { program, arguments: flags, bytes } = makers[this.kind]
    if (bytes === 0) return
    writeFileSync(this.#image, '')
    truncateSync(this.#image, bytes)
    execFileSync(program, [...flags, this.#image], { stdio: 'pipe' })
  }
}

function missingPart(kind: VolumeKind): string | undefined {
  if (process.platform !== 'linux') return `mounting on ${process.platform}`
  if (process.getuid?.() !== 0) return 'mounting needs root'
  for (const program of ['mount', 'umount', 'perl', makers[kind].program]) {
    if (spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0) return `no ${program}`
  }
  return undefined
}
