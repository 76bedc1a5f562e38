// MSAL for Node.
import { createHash, X509Certificate } from "node:crypto";
import {
  ConfidentialClientApplication,
  CryptoProvider,
  ManagedIdentityApplication,
  PublicClientApplication,
} from "@azure/msal-node";
import { authority, browser, check, key, said, scope, tell, userToken, works } from "./node.mjs";

const host = new URL(said.authority).host;
const common = { clientId: said.client_id, authority, knownAuthorities: [host] };
const scopes = [scope];
const app = (more) => new ConfidentialClientApplication({ auth: { ...common, ...more } });

/** Two tokens from the endpoint; the library sends the same assertion again where it has one. */
async function twice(client) {
  for (let count = 0; count < 2; count += 1) {
    const answer = await client.acquireTokenByClientCredential({ scopes, skipCache: true });
    if (answer.fromCache) throw new Error("from the cache");
    await works(answer.accessToken);
  }
}

/** A second token by the refresh token that came with the first. */
async function signedIn(client, answer) {
  await works(answer.accessToken);
  if (answer.account.username !== "analyst@contoso.example") throw new Error(JSON.stringify(answer.account));
  const again = await client.acquireTokenSilent({ scopes, account: answer.account, forceRefresh: true });
  await works(again.accessToken);
}

async function deviceCode() {
  const client = new PublicClientApplication({ auth: common });
  const deviceCodeCallback = (code) => void tell("deviceCodes", { userCode: code.userCode });
  await signedIn(client, await client.acquireTokenByDeviceCode({ scopes, deviceCodeCallback }));
}

async function authorizationCode(client, withPkce) {
  const redirectUri = "http://localhost:5000";
  const pkce = withPkce ? await new CryptoProvider().generatePkceCodes() : {};
  const codeChallenge = withPkce ? { codeChallenge: pkce.challenge, codeChallengeMethod: "S256" } : {};
  const url = await client.getAuthCodeUrl({ scopes, redirectUri, responseMode: "query", ...codeChallenge });
  const code = await browser(url);
  const answer = await client.acquireTokenByCode({ scopes, redirectUri, code, codeVerifier: pkce.verifier });
  await signedIn(client, answer);
}

async function managedIdentity(environment) {
  Object.assign(process.env, environment);
  const client = new ManagedIdentityApplication();
  for (let count = 0; count < 2; count += 1) {
    const answer = await client.acquireToken({ resource: said.audience, forceRefresh: true });
    if (answer.fromCache) throw new Error("from the cache");
    await works(answer.accessToken);
  }
  for (const name of Object.keys(environment)) delete process.env[name];
}

const certificate = new X509Certificate(key("app.crt"));
const thumbprint = (algorithm) => createHash(algorithm).update(certificate.raw).digest("hex");
const clientSecret = said.client_secret;
const privateKey = key("app.key");

await check("client secret", () => twice(app({ clientSecret })));
const ps256 = { thumbprintSha256: thumbprint("sha256"), privateKey };
await check("certificate, PS256", () => twice(app({ clientCertificate: ps256 })));
const rs256 = { thumbprint: thumbprint("sha1"), privateKey };
await check("certificate, RS256", () => twice(app({ clientCertificate: rs256 })));
await check("workload identity", () => twice(app({ clientAssertion: process.env.JUDGE_FEDERATED })));
await check("device code", deviceCode);
await check("authorization code, public", () => authorizationCode(new PublicClientApplication({ auth: common }), true));
await check("authorization code, confidential", () => authorizationCode(app({ clientSecret }), false));
await check("on behalf of", async () => {
  const oboAssertion = await userToken();
  const client = app({ clientSecret });
  for (let count = 0; count < 2; count += 1) {
    const answer = await client.acquireTokenOnBehalfOf({ oboAssertion, scopes, skipCache: true });
    if (answer.fromCache) throw new Error("from the cache");
    await works(answer.accessToken);
  }
});
await check("managed identity, IMDS", () =>
  managedIdentity({ AZURE_POD_IDENTITY_AUTHORITY_HOST: said.imds_endpoint }));
await check("managed identity, App Service", () =>
  managedIdentity({ IDENTITY_ENDPOINT: said.identity_endpoint, IDENTITY_HEADER: said.identity_header }));
