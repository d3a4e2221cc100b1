import packageJson from '../package.json'

/** Version of this package. */
export const version: string = packageJson.version
