import type { Command } from 'commander'
import type { CommandContext } from '../context.js'
export function addProduceCommand(_p: Command, _c: CommandContext): void {}
