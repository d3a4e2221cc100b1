import { LoaderError } from '../errors.js'

/**
 * What Hadoop says when it refuses: `{"RemoteException":{...}}`. The name tells more than the HTTP
 * status.
 */
export interface RemoteException {
  readonly exception: string
  readonly message: string
}

/** Whose answer it was, for messages. */
export interface Asked {
  /** `http://namenode:9870`. */
  readonly address: string
  /** `RENAME /a/b`. */
  readonly what: string
  /** Undefined when none was given. */
  readonly user: string | undefined
}

/**
 * What happens and what helps, by the name of the exception. `retriable`: it may pass by itself.
 */
const known: Readonly<Record<string, { retriable?: boolean; text: (asked: Asked) => string }>> = {
  SafeModeException: {
    retriable: true,
    text: ({ address }) =>
      `the NameNode ${address} is in safe mode (it is starting, or its DataNodes or disks are missing): wait, or look at \`hdfs dfsadmin -safemode get\``,
  },
  RetriableException: {
    retriable: true,
    text: ({ address }) => `the NameNode ${address} is not ready yet`,
  },
  StandbyException: {
    text: ({ address }) =>
      `the NameNode ${address} is a standby: name the active one, or all of them (http://nn1:9870,nn2:9870/path)`,
  },
  AccessControlException: {
    text: ({ user }) =>
      `user "${user ?? '(none)'}" may not do this: name another user (the option \`user\`, HADOOP_USER_NAME or http://USER@namenode:9870/path), or change the owner with \`hdfs dfs -chown\``,
  },
  InvalidToken: {
    text: () => 'the delegation token is not valid any more: fetch a new one',
  },
  ParentNotDirectoryException: { text: () => 'a file is in the way of a directory' },
  FileAlreadyExistsException: { text: () => 'there is something of this name already' },
  FileNotFoundException: { text: () => 'there is no such file' },
  DSQuotaExceededException: { text: () => 'the space quota of the directory is used up' },
  NSQuotaExceededException: { text: () => 'the quota of names of the directory is used up' },
}

/** HDFS has no DataNode to take a block: none is up, or all are full. */
const noDataNode = /could only be (written|replicated) to|Failed to find datanode/

/** An answer that means that the request was not carried out and may be sent again. */
export function isPassing({ exception, message }: RemoteException): boolean {
  return known[exception]?.retriable === true || noDataNode.test(message)
}

export function refusal(asked: Asked, status: number, remote: RemoteException): LoaderError {
  const { exception, message } = remote
  // Behind the first line there may be a whole Java stack.
  const said = message.split('\n', 1)[0]!
  const about = known[exception]
  const text = noDataNode.test(message)
    ? 'no DataNode takes the file: none is up, or their disks are full (`hdfs dfsadmin -report`)'
    : about?.text(asked)
  const explained = text === undefined ? `${exception}: ${said}` : `${text} (${exception}: ${said})`
  return new LoaderError('KFK_LOADER_TARGET', `${asked.address}: ${asked.what}: ${explained}`, {
    retriable: isPassing(remote),
    details: { status, exception, message },
  })
}

/** 401: Hadoop wants to know who is asking. */
export function unauthorized({ address, what }: Asked, said: string): LoaderError {
  const message = `${address}: ${what}: authentication is needed (${said}). For a secured cluster pass a delegation token: \`curl --negotiate -u : '${address}/webhdfs/v1/?op=GETDELEGATIONTOKEN'\``
  return new LoaderError('KFK_LOADER_TARGET', message, { details: { status: 401 } })
}

/** An answer that no WebHDFS gives. */
export function notWebHdfs({ address, what }: Asked, status: number, body: string): LoaderError {
  const said = body
    .replace(/<[^>]*>|\s+/g, ' ')
    .trim()
    .slice(0, 200)
  const message = `${address}: ${what}: answered with status ${status} but not as WebHDFS does (${said}): name the web address of the NameNode (port 9870 as a rule), not that of its RPC; dfs.webhdfs.enabled must be on`
  return new LoaderError('KFK_LOADER_TARGET', message, { details: { status } })
}

/** Nobody answers. */
export function unreachable(address: string, cause: unknown): LoaderError {
  const { code, message } = cause as NodeJS.ErrnoException
  return new LoaderError(
    'KFK_LOADER_NO_TARGET',
    `no NameNode answers at ${address} (${code ?? message}): check the address (host and web port, 9870 as a rule) and that HDFS is running, then load again: it goes on where it was`,
    { retriable: true, cause },
  )
}

/** The NameNode answers, but the DataNode that it sends us to does not. */
export function dataNodeLost(address: string, path: string, cause: unknown): LoaderError {
  if (cause instanceof LoaderError) return cause
  const { code, message } = cause as NodeJS.ErrnoException
  return new LoaderError(
    'KFK_LOADER_NO_TARGET',
    `the DataNode ${address} failed with ${path} (${code ?? message}): it must be running and reachable from here under this name (dfs.datanode.hostname); then load again: it goes on where it was`,
    { retriable: true, cause },
  )
}
