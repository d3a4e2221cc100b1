// Bugs that the tests must catch: each replaces one place of a source file. `npm run mutants` plants them one
// by one in a copy and runs `tests` there, one of which has to fail.
const explorers = ['crash-explorer-synced', 'crash-explorer-unsynced']
const failures = ['syscall-failures', 'disk-failures']

export const mutants = [
  {
    name: 'checkpoint-not-synced',
    file: 'checkpoint-file.ts',
    find: '    await syncFile(handle)\n  } finally {',
    replace: '  } finally {',
    tests: explorers,
  },
  {
    name: 'checkpoint-name-not-synced',
    file: 'checkpoint-file.ts',
    find: '  await fileSystem.rename(temporary, path)\n  await fileSystem.syncDirectory(dirname(path))',
    replace: '  await fileSystem.rename(temporary, path)',
    tests: explorers,
  },
  {
    name: 'sealed-segments-not-synced',
    file: 'log-flush.ts',
    find: 'for (const segment of [...sealed, active]) await this.#syncSegment(segment)',
    replace: 'for (const segment of [active]) await this.#syncSegment(segment)',
    tests: explorers,
  },
  {
    name: 'active-segment-not-synced-after-roll',
    file: 'log-flush.ts',
    find: 'for (const segment of [...sealed, active]) await this.#syncSegment(segment)',
    replace: 'for (const segment of sealed) await this.#syncSegment(segment)',
    tests: explorers,
  },
  {
    name: 'roll-without-directory-sync',
    file: 'log-flush.ts',
    find: 'if (directoryDirty || sealed.length > 0) {',
    replace: 'if (directoryDirty && sealed.length < 0) {',
    tests: explorers,
  },
  {
    name: 'names-forgotten-after-a-failed-sync',
    file: 'log-flush.ts',
    find: '      this.#sealed = [...sealed, ...this.#sealed]\n      this.#directoryDirty = true\n',
    replace: '',
    tests: failures,
  },
  {
    name: 'recovery-point-ahead-of-the-sync',
    file: 'log-flush.ts',
    find: 'const waiters = this.#synced(generation === this.#generation ? target : 0)',
    replace: 'const waiters = this.#synced(this.#log.writtenOffset)',
    tests: explorers,
  },
  {
    name: 'failed-sync-tried-again',
    file: 'log-flush.ts',
    find: 'if (isOutOfHandles(error)) {',
    replace: 'if (error !== undefined) {',
    tests: failures,
  },
  {
    name: 'failed-sync-acknowledged',
    file: 'log-flush.ts',
    find: '} else this.#syncFailed(error, active)',
    replace: '} else this.#synced(target)',
    tests: failures,
  },
  {
    name: 'recovered-names-not-synced',
    file: 'log-loader.ts',
    find: '  await host.fileSystem.syncDirectory(request.path)\n  const { logEndOffset }',
    replace: '  const { logEndOffset }',
    tests: explorers,
  },
  {
    name: 'new-log-without-directory-sync',
    file: 'log-loader.ts',
    find: '  segment.create()\n  await host.fileSystem.syncDirectory(path)',
    replace: '  segment.create()',
    tests: explorers,
  },
  {
    name: 'clean-mark-left-while-open',
    file: 'clean-shutdown.ts',
    find: 'await this.#fileSystem.remove(this.#markerPath)',
    replace: '',
    tests: explorers,
  },
  {
    name: 'checkpoint-lines-of-deleted-logs',
    file: 'open-log-directory.ts',
    find: 'this.#checkpoints.keepOnly(this.#names)',
    replace: '',
    tests: explorers,
  },
  {
    name: 'epochs-trimmed-before-the-log-start',
    file: 'segmented-log.ts',
    find: '    this.logStartOffset = offset\n    try {',
    replace:
      '    this.logStartOffset = offset\n    this.epochs.truncateFromStart(offset)\n    try {',
    tests: explorers,
  },
  {
    name: 'log-start-not-made-durable',
    file: 'segmented-log.ts',
    find: '    try {\n      await this.#host.checkpoint()\n    } catch (error) {',
    replace: '    try {\n    } catch (error) {',
    tests: explorers,
  },
  {
    name: 'half-a-cut-goes-on',
    file: 'log-structure.ts',
    find: 'const failure = ioError(error, { action, path: this.#log.path })\n      this.#host.poison(failure)',
    replace: 'const failure = ioError(error, { action, path: this.#log.path })',
    tests: failures,
  },
  {
    name: 'cut-before-the-recovery-point-is-lowered',
    file: 'log-structure.ts',
    find: 'flush.moveBack(Math.min(cut.offset, cut.keptEnd), gone)\n    await this.#host.checkpoint()',
    replace: 'flush.moveBack(Math.min(cut.offset, cut.keptEnd), gone)',
    tests: explorers,
  },
  {
    name: 'files-left-open-after-close',
    file: 'open-log-directory.ts',
    find: 'this.files.closeAll()',
    replace: '',
    tests: failures,
  },
]
