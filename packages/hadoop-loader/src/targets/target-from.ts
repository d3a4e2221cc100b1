import type { Target } from '../target.js'
import { localTarget } from './local.js'
import { webHdfsTarget } from './webhdfs.js'
import type { WebHdfsOptions } from './webhdfs-address.js'

/**
 * A directory by its path, or one of HDFS by its URL (`http://namenode:9870/path`; see
 * WebHdfsOptions).
 * @throws LoaderError KFK_LOADER_INVALID_ARGUMENT
 */
export function targetFrom(where: string, options: Omit<WebHdfsOptions, 'url'> = {}): Target {
  const isUrl = /^[a-z][a-z0-9+.-]*:\/\//.test(where)
  return isUrl ? webHdfsTarget({ ...options, url: where }) : localTarget(where)
}
