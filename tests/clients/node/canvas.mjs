import * as client from 'openid-client'

const url = new URL(process.env.TOKEN_BROKER)
const broker = await client.discovery(
  url,
  'billing',
  undefined,
  client.ClientSecretBasic(process.env.TOKEN_BROKER_KEY),
  { algorithm: 'oauth2', execute: url.protocol === 'http:' ? [client.allowInsecureRequests] : [] },
)
const kept = new Map()

/** Returns the value of Authorization for Canvas; this library leaves the keeping to you. */
export async function header(organization) {
  const token = kept.get(organization)
  if (token && Date.now() < token.askAt) return token.header
  const asked = Date.now()
  try {
    const answer = await client.clientCredentialsGrant(broker, { scope: organization })
    kept.set(organization, {
      header: `Bearer ${answer.access_token}`,
      askAt: asked + answer.refresh_in * 1000,
      deadAt: asked + answer.expires_in * 1000,
    })
  } catch (error) {
    if (!token || Date.now() >= token.deadAt) throw error
    token.askAt = Date.now() + 5000
  }
  return kept.get(organization).header
}
