import { readFile } from 'node:fs/promises'
import * as client from 'openid-client'

const url = new URL(process.env.TOKEN_BROKER)
const broker = await client.discovery(url, 'orders', undefined, client.None(), {
  algorithm: 'oauth2',
  execute: url.protocol === 'http:' ? [client.allowInsecureRequests] : [],
})

/** Asks with the service-account token, which the kubelet renews; keep the answer as above. */
export async function ask(organization) {
  return client.genericGrantRequest(broker, 'urn:ietf:params:oauth:grant-type:jwt-bearer', {
    assertion: await readFile(process.env.TOKEN_BROKER_TOKEN_FILE, 'utf8'),
    scope: organization,
  })
}
