// The style of the project, as far as it can be measured. Each rule takes the sources and returns complaints
// that name file and line and say what to do; the test next door expects none.
import fs from 'node:fs'
import path from 'node:path'
import ts from 'typescript'

/** One TypeScript file of `packages/<x>/src` or `examples/<x>/src`. */
export interface Source {
  /** Path from the root, with `/`. */
  readonly file: string
  readonly folder: string
  readonly text: string
  readonly ast: ts.SourceFile
  readonly imports: readonly { readonly specifier: string; readonly line: number }[]
}

export const limits = {
  fileLines: 500,
  functionLines: 60,
  lineColumns: 100,
  positionalParameters: 4,
}

/** Files that are tables (schemas, error codes, configs): they may be as long as what they list. */
const tables = /(\/messages\/|error-codes\.ts$|\/config\/|offsets-topic\.ts$)/

/** State machines: no clock, no chance, no disk, no network; these come in as arguments. */
const stateMachines = [
  'packages/broker/src/group/group.ts',
  'packages/broker/src/controller/controller.ts',
  'packages/broker/src/controller/cluster-image.ts',
  'packages/broker/src/controller/placement.ts',
  'packages/consumer/src/group-member.ts',
  'packages/producer/src/idempotence-state.ts',
  'packages/hadoop-loader/src/plan.ts',
  'packages/log-store/src/retention.ts',
]

/** Who may import whom (ARCHITECTURE in README.md): a package that is not listed here stands alone. */
export const mayImport: Record<string, readonly string[]> = {
  'coordination-redis': ['coordination'],
  client: ['protocol'],
  producer: ['client', 'protocol'],
  consumer: ['client', 'protocol'],
  'client-kafkajs': ['client', 'producer', 'consumer', 'protocol'],
  broker: ['protocol', 'log-store', 'coordination', 'client'],
  'hadoop-loader': ['client', 'protocol'],
  cli: '*'.split(''),
  testing: '*'.split(''),
}

const vagueNames = /(^|\/)(utils?|helpers?|types|common|misc|manager)\.ts$/

export function readSources(root: string): Source[] {
  return readFolders(root, 'src')
}

/** Those that draw cases at random. */
export function readPropertyTests(root: string): Source[] {
  return readFolders(root, 'test', 'fast-check')
}

function readFolders(root: string, below: string, wanted = ''): Source[] {
  const files = ['packages', 'examples'].flatMap((parent) =>
    fs
      .readdirSync(path.join(root, parent))
      .flatMap((name) => listTypeScript(path.join(root, parent, name, below)))
      .filter((full) => wanted === '' || fs.readFileSync(full, 'utf8').includes(wanted)),
  )
  return files.map((full) => {
    const text = fs.readFileSync(full, 'utf8')
    const file = path.relative(root, full).split(path.sep).join('/')
    const ast = ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true)
    const folder = file.split('/').slice(0, 2).join('/')
    return { file, folder, text, ast, imports: importsOf(ast) }
  })
}

function listTypeScript(dir: string): string[] {
  if (!fs.existsSync(dir)) return []
  return fs
    .readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => path.join(dir, name))
}

function importsOf(ast: ts.SourceFile) {
  const found: { specifier: string; line: number }[] = []
  const visit = (node: ts.Node): void => {
    const specifier =
      ts.isImportDeclaration(node) || ts.isExportDeclaration(node)
        ? node.moduleSpecifier
        : ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword
          ? node.arguments[0]
          : ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)
            ? node.argument.literal
            : undefined
    if (specifier && ts.isStringLiteral(specifier)) {
      found.push({ specifier: specifier.text, line: lineOf(ast, node.getStart()) })
    }
    ts.forEachChild(node, visit)
  }
  visit(ast)
  return found
}

function lineOf(ast: ts.SourceFile, position: number): number {
  return ast.getLineAndCharacterOfPosition(position).line + 1
}

/** A file that has grown past the limit holds more than one idea. */
export function longFiles(sources: readonly Source[]): string[] {
  return sources
    .filter(({ file }) => !tables.test(file))
    .map(({ file, text }) => ({ file, lines: text.split('\n').length - 1 }))
    .filter(({ lines }) => lines > limits.fileLines)
    .map(({ file, lines }) => `${file}: ${lines} lines, at most ${limits.fileLines}: split it`)
}

export function longLines(sources: readonly Source[]): string[] {
  return sources.flatMap(({ file, text, ast }) => {
    const quoted = linesOfLongText(ast)
    return (
      text
        .split('\n')
        .map((line, index) => ({ line, number: index + 1 }))
        .filter(({ line }) => line.length > limits.lineColumns)
        // Tables and addresses cannot be broken, texts that a user reads should not be.
        .filter(({ line, number }) => !/https?:\/\/|^\s*\* \|/.test(line) && !quoted.has(number))
        .map(
          ({ line, number }) =>
            `${file}:${number}: ${line.length} columns, at most ${limits.lineColumns}`,
        )
    )
  })
}

/** Lines with a template, or with a string that is long by itself. */
function linesOfLongText(ast: ts.SourceFile): Set<number> {
  const lines = new Set<number>()
  const visit = (node: ts.Node): void => {
    const isText = ts.isTemplateLiteral(node) || (ts.isStringLiteral(node) && node.text.length > 60)
    if (isText || ts.isRegularExpressionLiteral(node)) {
      const last = lineOf(ast, node.getEnd())
      for (let line = lineOf(ast, node.getStart()); line <= last; line++) lines.add(line)
    }
    ts.forEachChild(node, visit)
  }
  visit(ast)
  return lines
}

const isFunction = (node: ts.Node): node is ts.FunctionLikeDeclaration =>
  ts.isFunctionDeclaration(node) ||
  ts.isMethodDeclaration(node) ||
  ts.isArrowFunction(node) ||
  ts.isFunctionExpression(node) ||
  ts.isConstructorDeclaration(node) ||
  ts.isAccessor(node)

/** Own lines: those of functions nested in it that have more than a line are not counted. */
function ownLines(ast: ts.SourceFile, outer: ts.FunctionLikeDeclaration): number {
  const span = (node: ts.Node): number =>
    lineOf(ast, node.getEnd()) - lineOf(ast, node.getStart()) + 1
  let lines = span(outer)
  const visit = (node: ts.Node): void => {
    if (isFunction(node)) lines -= span(node) - 1
    else ts.forEachChild(node, visit)
  }
  if (outer.body) ts.forEachChild(outer.body, visit)
  return lines
}

export function longFunctions(sources: readonly Source[]): string[] {
  return eachFunction(sources, ({ file, ast }, node) => {
    const lines = ownLines(ast, node)
    const name = node.name?.getText() ?? 'a function'
    return lines > limits.functionLines
      ? `${file}:${lineOf(ast, node.getStart())}: ${name} has ${lines} lines, at most ${limits.functionLines}`
      : undefined
  })
}

export function manyParameters(sources: readonly Source[]): string[] {
  return eachFunction(sources, ({ file, ast }, node) =>
    node.parameters.length > limits.positionalParameters
      ? `${file}:${lineOf(ast, node.getStart())}: ${node.parameters.length} parameters, at most ${limits.positionalParameters}: take an object`
      : undefined,
  )
}

function eachFunction(
  sources: readonly Source[],
  judge: (source: Source, node: ts.FunctionLikeDeclaration) => string | undefined,
): string[] {
  const complaints: string[] = []
  for (const source of sources) {
    const visit = (node: ts.Node): void => {
      const complaint = isFunction(node) ? judge(source, node) : undefined
      if (complaint) complaints.push(complaint)
      ts.forEachChild(node, visit)
    }
    visit(source.ast)
  }
  return complaints
}

/** `utils.ts` says nothing about what is in it. */
export function vagueFileNames(sources: readonly Source[]): string[] {
  return sources
    .filter(({ file }) => vagueNames.test(file))
    .map(({ file }) => `${file}: name the file after what it knows`)
}

function resolveRelative(from: string, specifier: string): string {
  return path.posix.join(path.posix.dirname(from), specifier).replace(/\.js$/, '.ts')
}

export function importCycles(sources: readonly Source[]): string[] {
  const edges = new Map<string, string[]>()
  for (const { file, imports } of sources) {
    const relative = imports.filter(({ specifier }) => specifier.startsWith('.'))
    edges.set(
      file,
      relative.map(({ specifier }) => resolveRelative(file, specifier)),
    )
  }
  const done = new Set<string>()
  const cycles: string[] = []
  const walk = (file: string, trail: string[]): void => {
    if (trail.includes(file)) {
      cycles.push([...trail.slice(trail.indexOf(file)), file].join(' -> '))
      return
    }
    if (done.has(file)) return
    for (const next of edges.get(file) ?? []) walk(next, [...trail, file])
    done.add(file)
  }
  for (const file of edges.keys()) walk(file, [])
  return cycles
}

/** Packages import each other by name and only along the arrows; nobody imports its own index. */
export function packageGraph(sources: readonly Source[]): string[] {
  return sources.flatMap(({ file, folder, imports }) =>
    imports.flatMap(({ specifier, line }) => {
      const name = path.posix.basename(folder)
      if (/^\.{1,2}\/(.*\/)?index\.js$/.test(specifier)) {
        const target = resolveRelative(file, specifier)
        return target === `${folder}/src/index.ts` && !/\/(bin|main)\.ts$/.test(file)
          ? [`${file}:${line}: imports its own package's index.ts: import the file itself`]
          : []
      }
      const sibling = /^@kfk\/([^/]+)/.exec(specifier)?.[1]
      if (!sibling) return []
      if (folder.startsWith('examples/')) {
        return sibling === 'testing' ? [`${file}:${line}: an example uses published packages`] : []
      }
      const allowed = mayImport[name] ?? []
      return allowed.includes('*') || allowed.includes(sibling)
        ? []
        : [`${file}:${line}: @kfk/${name} may not import @kfk/${sibling}`]
    }),
  )
}

export function barrels(sources: readonly Source[]): string[] {
  return sources
    .filter(({ file, text }) => file.endsWith('/src/index.ts') && /export \* from/.test(text))
    .map(({ file }) => `${file}: export names, not *`)
}

export function impureStateMachines(sources: readonly Source[]): string[] {
  const banned =
    /\b(Date\.now|new Date|Math\.random|setTimeout|setInterval|setImmediate)\b|node:(fs|net)/
  return sources
    .filter(({ file }) => stateMachines.includes(file))
    .flatMap(({ file, text }) =>
      text.split('\n').flatMap((line, index) => {
        const found = banned.exec(line.replace(/\/\/.*|^\s*\*.*/, ''))
        return found ? [`${file}:${index + 1}: ${found[0]} in a state machine: pass it in`] : []
      }),
    )
}

export function switchedOffTypes(sources: readonly Source[]): string[] {
  return sources.flatMap(({ file, text }) =>
    text.split('\n').flatMap((line, index) => {
      const found =
        /@ts-(ignore|nocheck|expect-error)|^(?!\s*(\*|\/[/*])).*(\bas any\b|: any\b)/.exec(line)
      return found ? [`${file}:${index + 1}: ${found[0]}`] : []
    }),
  )
}

/** A run that fails must fail again: the cases of a property are the same each time. */
export function unseededProperties(tests: readonly Source[]): string[] {
  return tests.flatMap(({ file, ast }) => {
    const found: string[] = []
    const visit = (node: ts.Node): void => {
      if (
        ts.isCallExpression(node) &&
        /^fc\.(assert|check|sample)$/.test(node.expression.getText(ast))
      ) {
        const settings = node.arguments.at(-1)!
        const isSeeded =
          ts.isObjectLiteralExpression(settings) &&
          settings.properties.some(({ name }) => name?.getText(ast) === 'seed')
        if (!isSeeded) found.push(`${file}:${lineOf(ast, node.getStart(ast))}: give it a seed`)
      }
      ts.forEachChild(node, visit)
    }
    visit(ast)
    return found
  })
}

/** Only these may stand at the top of the repository, beside dotfiles. */
export function strayRootEntries(tracked: readonly string[]): string[] {
  const allowed = new Set(
    'package.json package-lock.json lerna.json tsconfig.base.json packages examples scripts README.md LICENSE NOTICE'.split(
      ' ',
    ),
  )
  const top = new Set(tracked.map((file) => file.split('/')[0] ?? ''))
  return [...top].filter((entry) => !allowed.has(entry) && !entry.startsWith('.'))
}
