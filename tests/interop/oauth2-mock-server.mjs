// npm oauth2-mock-server on a free loopback port: a server from before RFC 9068, whose tokens have `typ` JWT and no
// `client_id`, and whose introspection says `active` and nothing else. Prints READY and one JSON object, then makes a token
// with the claims of each line on its standard input. It ends with its standard input.
import readline from 'node:readline';
import { OAuth2Server } from 'oauth2-mock-server';

const server = new OAuth2Server();
await server.issuer.keys.generate('RS256');
await server.start(0, '127.0.0.1');
console.log(`READY ${JSON.stringify({ issuer: server.issuer.url })}`);

for await (const line of readline.createInterface({ input: process.stdin })) {
  if (line === 'rotate') {
    await server.issuer.keys.generate('RS256');
    console.log('READY {}');
    continue;
  }
  const { kid, ...claims } = JSON.parse(line);
  const token = await server.issuer.buildToken({
    kid, scopesOrTransform: (header, payload) => Object.assign(payload, claims),
  });
  console.log(`READY ${JSON.stringify({ token })}`);
}
await server.stop();
