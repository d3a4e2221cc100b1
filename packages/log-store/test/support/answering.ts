/** In a program that `ask` starts: does this work for its request, and answers what comes of it. */
export function answering<Request>(work: (request: Request) => Promise<unknown>): void {
  work(JSON.parse(process.argv[2]!) as Request).then(
    (result) => void process.stdout.write(JSON.stringify(result)),
    (error: unknown) => {
      process.stderr.write(error instanceof Error ? error.message : String(error))
      process.exitCode = 1
    },
  )
}
