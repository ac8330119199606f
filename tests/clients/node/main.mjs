// Gets a token in one of several ways, calls Canvas and prints, as JSON, what came of it.
import * as client from 'openid-client'

const [way, organization] = process.argv.slice(2)

async function posted() {
  const broker = await client.discovery(
    new URL(process.env.TOKEN_BROKER),
    'billing',
    undefined,
    client.ClientSecretPost(process.env.TOKEN_BROKER_KEY),
    { algorithm: 'oauth2', execute: [client.allowInsecureRequests] },
  )
  const answer = await client.clientCredentialsGrant(broker, { scope: organization })
  return `Bearer ${answer.access_token}`
}

/** Counts what is posted, which only tokens are, and keeps the answer. */
let asked = 0
let token
const plain = globalThis.fetch
globalThis.fetch = async (url, options) => {
  const answer = await plain(url, options)
  if (options?.method === 'POST') {
    asked += 1
    token = await answer.clone().json()
  }
  return answer
}

const clock = Date.now

/** Asks twice; the second time these seconds after the token's end, with or without a broker. */
async function twice(seconds, reachable = true) {
  const { header } = await import('./canvas.mjs')
  await header(organization)
  Date.now = () => clock() + (token.expires_in + seconds) * 1000
  if (!reachable) globalThis.fetch = () => Promise.reject(new TypeError('fetch failed'))
  return header(organization)
}

async function documented() {
  const { header } = await import('./canvas.mjs')
  await header(organization)
  return header(organization)
}

async function pod() {
  const { ask } = await import('./pod.mjs')
  return `Bearer ${(await ask(organization)).access_token}`
}

const ways = {
  documented,
  pod,
  posted,
  renewed: () => twice(-5),
  outage: () => twice(-5, false),
  dead: () => twice(1, false),
}

/** What a program can learn of a refusal: the library's code, and our answer. */
async function told(error) {
  const response = error.response ?? error.cause
  const answer = response instanceof Response ? response : undefined
  return {
    name: error.name,
    code: error.code,
    error: error.error ?? (answer && !answer.bodyUsed ? (await answer.json()).error : undefined),
    status: answer?.status,
    retry_after: answer?.headers.get('retry-after') ?? undefined,
  }
}

let found
try {
  const authorization = await ways[way]()
  const answer = await plain(process.env.CANVAS, { headers: { authorization } })
  found = await answer.json()
} catch (error) {
  found = await told(error)
}
console.log(JSON.stringify({ ...found, asked }))
