// npm oidc-provider on a free loopback port. Prints READY and one JSON object once it accepts, then obeys lines on its
// standard input: `add` signs with new keys and publishes the old ones as well, `replace` publishes the new ones alone.
// It ends with its standard input, so that it never outlives the tests.
import http from 'node:http';
import readline from 'node:readline';
import { exportJWK, generateKeyPair } from 'jose';

// oidc-provider 9 is for Node 22; this is all that it misses in Node 20.
URL.parse ??= (text, base) => (URL.canParse(text, base) ? new URL(text, base) : null);
const { Provider, errors } = await import('oidc-provider');

const KEYS = [['RS256', { modulusLength: 2048 }], ['ES256'], ['Ed25519']];
const SCOPE = 'orders:read orders:write';
// The last part of a resource's name is the format of its tokens.
const FORMATS = ['RS256', 'PS256', 'ES256', 'EdDSA', 'opaque'];

const privateJwk = async (kid, alg, options) => {
  const { privateKey } = await generateKeyPair(alg, { extractable: true, ...options });
  return { ...(await exportJWK(privateKey)), kid, use: 'sig' };
};
let generation = 0;
const generate = () => {
  generation += 1;
  return Promise.all(KEYS.map(([alg, options]) => privateJwk(`${alg}-${generation}`, alg, options)));
};

const client = (id, more) => ({
  client_id: id, client_secret: `${id}-secret-of-32-bytes-at-least`, grant_types: ['client_credentials'], response_types: [],
  redirect_uris: [], token_endpoint_auth_method: 'client_secret_basic', ...more,
});
const assertionKey = await privateJwk('assertion', 'ES256');
const { d: _, ...assertionPublic } = assertionKey;
const clients = [
  client('shop'),
  client('odd:id &%+', {}),
  client('api-basic'),
  client('api-post', { token_endpoint_auth_method: 'client_secret_post' }),
  client('api-key', { token_endpoint_auth_method: 'private_key_jwt', client_secret: undefined, jwks: { keys: [assertionPublic] } }),
  client('api-signed', { introspection_signed_response_alg: 'ES256' }),
];

function resourceServer(_, resource) {
  const format = FORMATS.find((format) => resource.endsWith(`/${format}`));
  if (!format) throw new errors.InvalidTarget('this resource is not known');
  const jwt = format !== 'opaque';
  return {
    scope: SCOPE, audience: resource, accessTokenTTL: 300, accessTokenFormat: jwt ? 'jwt' : 'opaque',
    ...(jwt && { jwt: { sign: { alg: format } } }),
  };
}

const build = (issuer, keys) => new Provider(issuer, {
  clients, jwks: { keys }, scopes: SCOPE.split(' '), clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
  enabledJWA: {
    attestSigningAlgValues: ['ES256'],
    introspectionSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA'],
    idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256', 'EdDSA'],
  },
  features: {
    clientCredentials: { enabled: true }, dPoP: { enabled: true }, revocation: { enabled: true }, devInteractions: { enabled: false },
    introspection: { enabled: true, allowedPolicy: () => true }, jwtIntrospection: { enabled: true },
    resourceIndicators: {
      enabled: true, defaultResource: () => [], useGrantedResource: () => true, getResourceServerInfo: resourceServer,
    },
  },
});

let handler;
const server = http.createServer((request, response) => handler(request, response));
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const issuer = `http://127.0.0.1:${server.address().port}`;
let keys = await generate();
handler = build(issuer, keys).callback();
console.log(`READY ${JSON.stringify({ issuer, assertion_key: assertionKey })}`);

for await (const line of readline.createInterface({ input: process.stdin })) {
  const fresh = await generate();
  keys = line === 'add' ? [...fresh, ...keys] : fresh;
  handler = build(issuer, keys).callback();
  console.log(`READY ${JSON.stringify({ keys: keys.map((key) => key.kid) })}`);
}
process.exit(0);
